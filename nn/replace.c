/* replace.c - a file written whole or not at all.
 *
 * The new file is written beside the old one under the name PATH.new, synced, and renamed: rename
 * is the one step at which the old file ends and the new one begins, and it is atomic. Then the
 * folder is synced, for a name is data of its folder.
 *
 * Meanwhile the folder is locked, which orders writers of the same file; the lock dies with its
 * process, so whoever holds it knows that a PATH.new from before belongs to nobody. */
#include "replace.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

typedef struct place {
    char   path[PATH_MAX], fresh[PATH_MAX + sizeof ".new"];
    bool   exists;
    mode_t mode;                             /* of the file that is there */
    int    folder;
} place;

static ad_status failed(const char *path, char message[NN__MESSAGE]) {
    const int error = errno;
    return nn__say(error == ENOMEM ? AD_NO_MEMORY : AD_BAD_FILE, message,
                   "%s: the file cannot be written: %s", path, strerror(error));
}

/* Where the file really is: through a link, if there is one. */
static bool resolve(place *p, const char *path) {
    struct stat about;
    if (lstat(path, &about) == 0 && S_ISLNK(about.st_mode)) return realpath(path, p->path) != NULL;
    if (strlen(path) >= sizeof p->path) {
        errno = ENAMETOOLONG;
        return false;
    }
    strcpy(p->path, path);
    return true;
}

static bool look(place *p) {
    struct stat about;
    p->exists = stat(p->path, &about) == 0;
    if (!p->exists) return errno == ENOENT;
    p->mode = about.st_mode;
    return true;
}

static int open_folder(const char *path) {
    char        folder[PATH_MAX];
    const char *slash = strrchr(path, '/');
    const size_t length = slash == NULL ? 0 : (size_t)(slash - path) + 1;
    memcpy(folder, path, length);
    strcpy(folder + length, length == 0 ? "." : "");
    return open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
}

/* A file system without locks (some of the networked ones) loses the order of writers, no more. */
static void lock(int folder) {
    while (flock(folder, LOCK_EX) != 0 && errno == EINTR) continue;
}

static FILE *create(const place *p) {
    if (unlink(p->fresh) != 0 && errno != ENOENT) return NULL;
    const int file = open(p->fresh, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
    if (file < 0) return NULL;
    if (p->exists) (void)!fchmod(file, p->mode & 07777);    /* a file that is more private would do too */
    FILE *to = fdopen(file, "wb");
    if (to == NULL) close(file), unlink(p->fresh);
    return to;
}

/* Out of the program, out of the system's memory; the first error is the one that counts. */
static bool settle(FILE *to, bool written) {
    int error = written ? 0 : errno;
    if (error == 0 && (fflush(to) != 0 || fsync(fileno(to)) != 0)) error = errno;
    if (fclose(to) != 0 && error == 0 && written) error = errno;
    errno = error;
    return written && error == 0;
}

/* Some file systems cannot sync a folder and say EINVAL. */
static bool sync_folder(int folder) {
    return fsync(folder) == 0 || errno == EINVAL;
}

static bool write_and_rename(const place *p, nn__writer *write, void *context) {
    FILE *to = create(p);
    if (to == NULL) return false;
    const bool written = settle(to, write(to, context)) && rename(p->fresh, p->path) == 0;
    if (!written) {
        const int error = errno;
        unlink(p->fresh);
        errno = error;
    }
    return written;
}

ad_status nn__replace(const char *path, nn__writer *write, void *context, char message[NN__MESSAGE]) {
    place p = {.folder = -1};
    if (!resolve(&p, path) || !look(&p)) return failed(path, message);
    if (p.exists && !S_ISREG(p.mode))
        return nn__say(AD_BAD_FILE, message, "%s: not a regular file: nothing is written there", path);
    sprintf(p.fresh, "%s.new", p.path);
    if ((p.folder = open_folder(p.path)) < 0) return failed(path, message);
    lock(p.folder);
    ad_status status = AD_OK;
    if (!write_and_rename(&p, write, context)) status = failed(path, message);
    else if (!sync_folder(p.folder))
        status = nn__say(AD_BAD_FILE, message, "%s: written, but its folder cannot be synced: %s", path,
                         strerror(errno));
    close(p.folder);
    return status;
}
