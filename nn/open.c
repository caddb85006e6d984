/* open.c - files opened for reading, and never waited for without an end.
 *
 * To open a pipe that has a name waits until somebody opens its other end, who may never come: so it is opened
 * without waiting, and then waited for as long as people are patient. A pipe without a name (standard input of a
 * shell's "|") had somebody at its other end from the beginning, who may take his time. */
#include "open.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <time.h>
#include <unistd.h>

enum { PATIENCE = 10000, PIPE_FILE_SYSTEM = 0x50495045 };        /* PIPEFS_MAGIC of linux/magic.h */

static int failed(ad_status *status, char why[NN__MESSAGE]) {
    *status = nn__say(errno == ENOMEM ? AD_NO_MEMORY : AD_BAD_FILE, why, "the file cannot be opened: %s", strerror(errno));
    return -1;
}

static const char *kind(mode_t mode) {
    return S_ISDIR(mode) ? "a folder" : S_ISFIFO(mode) ? "a pipe" : S_ISSOCK(mode) ? "a socket" : "a device";
}

/* What cannot be opened at all is told by who tries. */
static bool suits(const char *path, nn__need need, ad_status *status, char why[NN__MESSAGE]) {
    struct stat about;
    if (stat(path, &about) != 0 || S_ISREG(about.st_mode)) return true;
    if (need == NN__STREAM && !S_ISDIR(about.st_mode)) return true;
    *status = nn__say(AD_BAD_FILE, why, "not a regular file: %s%s", kind(about.st_mode),
                      S_ISDIR(about.st_mode) ? "" : ", whose length is not known before it was read");
    return false;
}

static bool has_name(int file) {
    struct statfs about;
    return fstatfs(file, &about) != 0 || about.f_type != PIPE_FILE_SYSTEM;
}

static double milliseconds(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return 1e3*(double)now.tv_sec + 1e-6*(double)now.tv_nsec;
}

/* Something has come, or who wrote is gone again. */
static bool comes(int file, int patience) {
    const double  end = milliseconds() + patience;
    struct pollfd pipe = {.fd = file, .events = POLLIN};
    for (double left = patience; left >= 0; left = end - milliseconds()) {
        const int found = poll(&pipe, 1, (int)left);
        if (found > 0) return true;
        if (found == 0 || errno != EINTR) return false;
    }
    return false;
}

int nn__open_within(const char *path, nn__need need, int patience, ad_status *status, char why[NN__MESSAGE]) {
    struct stat about;
    if (!suits(path, need, status, why)) return -1;
    const int file = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
    if (file < 0) return failed(status, why);
    const bool pipe = fstat(file, &about) == 0 && S_ISFIFO(about.st_mode);
    if (pipe && has_name(file) && !comes(file, patience)) {
        *status = nn__say(AD_BAD_FILE, why, "a pipe out of which nothing came for %g seconds", 1e-3*patience);
        close(file);
        return -1;
    }
    const int flags = fcntl(file, F_GETFL);
    if (flags >= 0) fcntl(file, F_SETFL, flags & ~O_NONBLOCK);
    return file;
}

int nn__open(const char *path, nn__need need, ad_status *status, char why[NN__MESSAGE]) {
    return nn__open_within(path, need, PATIENCE, status, why);
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
