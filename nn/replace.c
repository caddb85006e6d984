/* replace.c - replaces a file atomically.
 *
 * The new file is written next to the old one, synced, and renamed: rename is the single step that
 * replaces the old file by the new one, and it is atomic. Then the folder is synced, because a name
 * is data of its folder.
 *
 * While it is written the new file has no name (O_TMPFILE): a process that is killed leaves nothing
 * behind. It gets one just before it is renamed: ".tapir-" and 16 random hexadecimal digits, which
 * is short enough in any folder, and which never replaces an existing file. If the file system does
 * not support unnamed files it has this name from the beginning, and a killed process leaves it
 * behind.
 *
 * So concurrent writers do not interfere: each has a file of its own, and the last to rename wins.
 * There is no lock that one process could withhold from another. Everything is done relative to the
 * folder, opened without the right to list it: permission to write in it is enough. */
#include "replace.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum {
    MOST_LINKS = 40,
    MOST_TRIES = 100,
    TEMPORARY_NAME = sizeof ".tapir-0123456789abcdef",
    DESCRIPTOR = 40
};

typedef struct destination {
    char   path[PATH_MAX];            /* with all links resolved */
    char  *name;                      /* the part of it after the last slash */
    char   temporary[TEMPORARY_NAME]; /* the name of the new file; "": it has none yet */
    bool   exists;
    mode_t mode; /* of the existing file, and its owner */
    uid_t  owner;
    int    folder;
} destination;

static ad_status failed(const char *path, char message[NN__MESSAGE]) {
    const int error = errno;
    return nn__say(error == ENOMEM ? AD_NO_MEMORY : AD_BAD_FILE, message,
                   "%s: the file cannot be written: %s", path, strerror(error));
}

/* ---- where ----------------------------------------------------------------------------------- */

static bool too_long(void) {
    errno = ENAMETOOLONG;
    return false;
}

static char *last_part(char *path) {
    char *slash = strrchr(path, '/');
    return slash == NULL ? path : slash + 1;
}

/* Replaces the last part of p->path, or all of it, by the target of the link there. */
static bool follow(destination *p) {
    char          target[PATH_MAX];
    const ssize_t length = readlink(p->path, target, sizeof target);
    if (length < 0) return false;
    char *at = target[0] == '/' ? p->path : last_part(p->path);
    if ((size_t)(at - p->path) + (size_t)length >= sizeof p->path) return too_long();
    memcpy(at, target, (size_t)length);
    at[length] = '\0';
    return true;
}

/* Resolves links to the path where the file is or will be: the target need not exist. */
static bool resolve(destination *p, const char *path) {
    struct stat about;
    if (strlen(path) >= sizeof p->path) return too_long();
    strcpy(p->path, path);
    for (int links = 0; lstat(p->path, &about) == 0 && S_ISLNK(about.st_mode); links++) {
        if (links < MOST_LINKS && follow(p)) continue;
        if (links == MOST_LINKS) errno = ELOOP;
        return false;
    }
    p->name = last_part(p->path);
    return true;
}

/* In a sticky folder like /tmp only the owners of the file and of the folder may replace it. */
static bool may_replace(const destination *p) {
    struct stat folder;
    const uid_t self = geteuid();
    if (!p->exists || self == 0 || self == p->owner || fstat(p->folder, &folder) != 0) return true;
    if ((folder.st_mode & S_ISVTX) == 0 || self == folder.st_uid) return true;
    errno = EPERM;
    return false;
}

/* Uses the path as given: if the system refuses to follow a link, that is an error here too. */
static bool stat_destination(destination *p, const char *path) {
    struct stat about;
    p->exists = stat(path, &about) == 0;
    if (!p->exists) return errno == ENOENT;
    p->mode = about.st_mode, p->owner = about.st_uid;
    return true;
}

static bool open_folder(destination *p) {
    char         folder[PATH_MAX];
    const size_t length = (size_t)(p->name - p->path);
    memcpy(folder, p->path, length);
    strcpy(folder + length, length == 0 ? "." : "");
    p->folder = open(folder, O_PATH | O_DIRECTORY | O_CLOEXEC);
    return p->folder >= 0;
}

/* On AD_OK the folder is open; else message has a sentence. */
static ad_status find(destination *p, const char *path, char message[NN__MESSAGE]) {
    *p = (destination){.folder = -1};
    if (!stat_destination(p, path) || !resolve(p, path)) return failed(path, message);
    if (p->exists && !S_ISREG(p->mode))
        return nn__say(AD_BAD_FILE, message, "%s: not a regular file: nothing is written there",
                       path);
    errno = ENOENT;
    if (*p->name == '\0' || !open_folder(p)) return failed(path, message);
    if (may_replace(p)) return AD_OK;
    const ad_status status = failed(path, message);
    close(p->folder);
    return status;
}

/* ---- the new file ---------------------------------------------------------------------------- */

/* An unpredictable name cannot be occupied by another process; without getrandom it is only
 * unlikely to be. */
static void draw_name(destination *p) {
    unsigned long long bits = 0;
    if (getrandom(&bits, sizeof bits, GRND_NONBLOCK) != (ssize_t)sizeof bits) {
        struct timespec now;
        clock_gettime(CLOCK_REALTIME, &now);
        bits = (unsigned long long)getpid() << 32 ^ (unsigned long long)now.tv_sec << 30 ^
               (unsigned long long)now.tv_nsec;
    }
    sprintf(p->temporary, ".tapir-%016llx", bits);
}

/* The permissions of the old file are set before there is anything to read; until then only the
 * owner has any. */
static mode_t first_mode(const destination *p) {
    return p->exists ? 0600 : 0666;
}

static int create_named(destination *p) {
    int file = -1;
    for (int tries = 0; file < 0 && tries < MOST_TRIES; tries++) {
        draw_name(p);
        file =
            openat(p->folder, p->temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, first_mode(p));
        if (file < 0 && errno != EEXIST) break;
    }
    if (file < 0) p->temporary[0] = '\0';
    return file;
}

/* The path by which an unnamed file can be linked to a name. */
static const char *descriptor(int file, char text[DESCRIPTOR]) {
    sprintf(text, "/proc/self/fd/%d", file);
    return text;
}

/* -1 if unnamed files are not supported, or cannot be named later. */
static int create_nameless(const destination *p) {
    char      text[DESCRIPTOR];
    const int file = openat(p->folder, ".", O_TMPFILE | O_WRONLY | O_CLOEXEC, first_mode(p));
    if (file < 0 || access(descriptor(file, text), F_OK) == 0) return file;
    close(file);
    return -1;
}

static bool give_name(destination *p, int file) {
    char text[DESCRIPTOR];
    for (int tries = 0; tries < MOST_TRIES; tries++) {
        draw_name(p);
        if (linkat(AT_FDCWD, descriptor(file, text), p->folder, p->temporary, AT_SYMLINK_FOLLOW) ==
            0)
            return true;
        if (errno != EEXIST) break;
    }
    p->temporary[0] = '\0';
    return false;
}

static void remove_temporary(destination *p) {
    const int error = errno;
    if (p->temporary[0] != '\0') unlinkat(p->folder, p->temporary, 0);
    p->temporary[0] = '\0';
    errno = error;
}

/* Set-user-id and set-group-id are dropped: they were granted to the old content. */
static FILE *create(destination *p, bool nameless) {
    const int file = nameless ? create_nameless(p) : create_named(p);
    if (file < 0) return NULL;
    if (p->exists) (void)!fchmod(file, p->mode & 0777); /* on failure it is stricter: safe */
    FILE *to = fdopen(file, "wb");
    if (to == NULL) close(file), remove_temporary(p);
    return to;
}

/* ---- writing --------------------------------------------------------------------------------- */

static bool close_file(FILE *to, bool good) {
    const int error = errno;
    if (fclose(to) != 0 && good) return false;
    errno = error;
    return good;
}

static bool rename_over(const destination *p) {
    return renameat(p->folder, p->temporary, p->folder, p->name) == 0;
}

/* Writes, flushes, syncs, and only then names the file. *unnamed: only naming it failed. */
static bool write_file(destination *p, FILE *to, nn__writer *write, void *context, bool *unnamed) {
    bool good = write(to, context) && fflush(to) == 0 && fsync(fileno(to)) == 0;
    *unnamed = good && p->temporary[0] == '\0' && !give_name(p, fileno(to));
    good = close_file(to, good && !*unnamed) && rename_over(p);
    if (!good) remove_temporary(p);
    return good;
}

/* Tries a named file if the file system has unnamed files but cannot name them. */
static bool write_and_rename(destination *p, nn__writer *write, void *context) {
    bool  unnamed = true, good = false;
    FILE *to = create(p, true);
    if (to != NULL) good = write_file(p, to, write, context, &unnamed);
    if (good || !unnamed) return good;
    to = create(p, false);
    return to != NULL && write_file(p, to, write, context, &unnamed);
}

/* A folder without read permission cannot be opened for this (EACCES), and some file systems cannot
 * sync a folder (EINVAL): there the system decides when the name reaches the disk. */
static bool sync_folder(const destination *p) {
    const int folder = openat(p->folder, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (folder < 0) return errno == EACCES;
    const bool good = fsync(folder) == 0 || errno == EINVAL;
    const int  error = errno;
    close(folder);
    errno = error;
    return good;
}

ad_status nn__replace(const char *path, nn__writer *write, void *context,
                      char message[NN__MESSAGE]) {
    destination p;
    ad_status   status = find(&p, path, message);
    if (status != AD_OK) return status;
    if (!write_and_rename(&p, write, context)) status = failed(path, message);
    else if (!sync_folder(&p))
        status = nn__say(AD_BAD_FILE, message, "%s: written, but its folder cannot be synced: %s",
                         path, strerror(errno));
    close(p.folder);
    return status;
}

ad_status nn__replaceable(const char *path, char message[NN__MESSAGE]) {
    destination p;
    ad_status   status = find(&p, path, message);
    if (status != AD_OK) return status;
    FILE *to = create(&p, true);
    if (to == NULL) to = create(&p, false);
    if (to == NULL) status = failed(path, message);
    else fclose(to), remove_temporary(&p);
    close(p.folder);
    return status;
}
