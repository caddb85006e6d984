/* open.c - opens files for reading without ever blocking forever.
 *
 * Opening a named pipe blocks until the other end is opened, which may never happen: so it is
 * opened non-blocking, and then polled with a timeout. An unnamed pipe (standard input of a shell's
 * "|") has had a writer from the beginning, and is given as long as it takes. */
#include "open.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <time.h>
#include <unistd.h>

enum { TIMEOUT_MS = 10000, PIPE_FILE_SYSTEM = 0x50495045 }; /* PIPEFS_MAGIC, linux/magic.h */

static int failed(ad_status *status, char why[NN__MESSAGE]) {
    *status = nn__say(errno == ENOMEM ? AD_NO_MEMORY : AD_BAD_FILE, why,
                      "the file cannot be opened: %s", strerror(errno));
    return -1;
}

static const char *kind(mode_t mode) {
    return S_ISDIR(mode)  ? "a folder"
         : S_ISFIFO(mode) ? "a pipe"
         : S_ISSOCK(mode) ? "a socket"
                          : "a device";
}

/* True for a file that does not exist, too: opening it reports the error. */
static bool acceptable(const char *path, nn__need need, ad_status *status, char why[NN__MESSAGE]) {
    struct stat about;
    if (stat(path, &about) != 0 || S_ISREG(about.st_mode)) return true;
    if (need == NN__STREAM && !S_ISDIR(about.st_mode)) return true;
    *status =
        nn__say(AD_BAD_FILE, why, "not a regular file: %s%s", kind(about.st_mode),
                S_ISDIR(about.st_mode) ? "" : ", whose length is not known before it is read");
    return false;
}

static bool has_name(int file) {
    struct statfs about;
    return fstatfs(file, &about) != 0 || about.f_type != PIPE_FILE_SYSTEM;
}

static double milliseconds(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return 1e3 * (double)now.tv_sec + 1e-6 * (double)now.tv_nsec;
}

/* True once there is data, or the writer has gone again. */
static bool wait_for_data(int file, int timeout_ms) {
    const double  end = milliseconds() + timeout_ms;
    struct pollfd pipe = {.fd = file, .events = POLLIN};
    for (double left = timeout_ms; left >= 0; left = end - milliseconds()) {
        const int found = poll(&pipe, 1, (int)left);
        if (found > 0) return true;
        if (found == 0 || errno != EINTR) return false;
    }
    return false;
}

int nn__open_within(const char *path, nn__need need, int timeout_ms, ad_status *status,
                    char why[NN__MESSAGE]) {
    struct stat about;
    if (!acceptable(path, need, status, why)) return -1;
    const int file = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
    if (file < 0) return failed(status, why);
    const bool pipe = fstat(file, &about) == 0 && S_ISFIFO(about.st_mode);
    if (pipe && has_name(file) && !wait_for_data(file, timeout_ms)) {
        *status = nn__say(AD_BAD_FILE, why, "a pipe that delivered no data for %g seconds",
                          1e-3 * timeout_ms);
        close(file);
        return -1;
    }
    const int flags = fcntl(file, F_GETFL);
    if (flags >= 0) fcntl(file, F_SETFL, flags & ~O_NONBLOCK);
    return file;
}

int nn__open(const char *path, nn__need need, ad_status *status, char why[NN__MESSAGE]) {
    return nn__open_within(path, need, TIMEOUT_MS, status, why);
}

FILE *nn__open_file(const char *path, nn__need need, ad_status *status, char why[NN__MESSAGE]) {
    const int file = nn__open(path, need, status, why);
    FILE     *from = file < 0 ? NULL : fdopen(file, "rb");
    if (file >= 0 && from == NULL) {
        failed(status, why);
        close(file);
    }
    return from;
}
