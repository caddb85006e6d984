/* replace.c - a file written whole or not at all.
 *
 * The new file is written beside the old one, synced, and renamed: rename is the one step at which the old
 * file ends and the new one begins, and it is atomic. Then the folder is synced, for a name is data of its
 * folder.
 *
 * While it is written the new file has no name (O_TMPFILE): a process that is killed leaves nothing behind.
 * It gets one just before it is renamed: ".tapir-" and 16 hexadecimal digits drawn at random, which is short
 * enough beside any name, and which never takes the place of a file that is there. Where the file system
 * lacks files without a name it has this name from the beginning, and a killed process leaves it.
 *
 * So several writers need not know of each other: each has a file of its own, and the last to rename stays.
 * There is no lock that one process could keep from another. Everything is done relative to the folder, opened
 * without the right to list it: to write in it is enough. */
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

enum { MOST_LINKS = 40, MOST_TRIES = 100, FRESH = sizeof ".tapir-0123456789abcdef", DESCRIPTOR = 40 };

typedef struct place {
    char   path[PATH_MAX];                   /* behind all links */
    char  *name;                             /* the part of it after the last slash */
    char   fresh[FRESH];                     /* the name of the new file; "": it has none so far */
    bool   exists;
    mode_t mode;                             /* of the file that is there, and whose it is */
    uid_t  owner;
    int    folder;
} place;

static ad_status failed(const char *path, char message[NN__MESSAGE]) {
    const int error = errno;
    return nn__say(error == ENOMEM ? AD_NO_MEMORY : AD_BAD_FILE, message,
                   "%s: the file cannot be written: %s", path, strerror(error));
}

/* ---- where ------------------------------------------------------------------------------------ */

static bool too_long(void) {
    errno = ENAMETOOLONG;
    return false;
}

static char *last_part(char *path) {
    char *slash = strrchr(path, '/');
    return slash == NULL ? path : slash + 1;
}

/* What the link at p->path says takes the place of its last part, or of all of it. */
static bool follow(place *p) {
    char          target[PATH_MAX];
    const ssize_t length = readlink(p->path, target, sizeof target);
    if (length < 0) return false;
    char *at = target[0] == '/' ? p->path : last_part(p->path);
    if ((size_t)(at - p->path) + (size_t)length >= sizeof p->path) return too_long();
    memcpy(at, target, (size_t)length);
    at[length] = '\0';
    return true;
}

/* Where the file really is, or will be: a link may name one that is still to be made. */
static bool resolve(place *p, const char *path) {
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

/* In a folder like /tmp only the owners of a file and of the folder may put another in its place. */
static bool may_replace(const place *p) {
    struct stat folder;
    const uid_t self = geteuid();
    if (!p->exists || self == 0 || self == p->owner || fstat(p->folder, &folder) != 0) return true;
    if ((folder.st_mode & S_ISVTX) == 0 || self == folder.st_uid) return true;
    errno = EPERM;
    return false;
}

/* Asked by the path that was given: the system may have reasons not to follow a link, which count here too. */
static bool look(place *p, const char *path) {
    struct stat about;
    p->exists = stat(path, &about) == 0;
    if (!p->exists) return errno == ENOENT;
    p->mode = about.st_mode, p->owner = about.st_uid;
    return true;
}

static bool open_folder(place *p) {
    char         folder[PATH_MAX];
    const size_t length = (size_t)(p->name - p->path);
    memcpy(folder, p->path, length);
    strcpy(folder + length, length == 0 ? "." : "");
    p->folder = open(folder, O_PATH | O_DIRECTORY | O_CLOEXEC);
    return p->folder >= 0;
}

/* The folder is open afterwards, or it failed with a sentence. */
static ad_status find(place *p, const char *path, char message[NN__MESSAGE]) {
    *p = (place){.folder = -1};
    if (!look(p, path) || !resolve(p, path)) return failed(path, message);
    if (p->exists && !S_ISREG(p->mode))
        return nn__say(AD_BAD_FILE, message, "%s: not a regular file: nothing is written there", path);
    errno = ENOENT;
    if (*p->name == '\0' || !open_folder(p)) return failed(path, message);
    if (may_replace(p)) return AD_OK;
    const ad_status status = failed(path, message);
    close(p->folder);
    return status;
}

/* ---- the new file ----------------------------------------------------------------------------- */

/* Names that another process does not guess are not taken; without randomness they are only unlikely to be. */
static void draw_name(place *p) {
    unsigned long long bits = 0;
    if (getrandom(&bits, sizeof bits, GRND_NONBLOCK) != (ssize_t)sizeof bits) {
        struct timespec now;
        clock_gettime(CLOCK_REALTIME, &now);
        bits = (unsigned long long)getpid() << 32 ^ (unsigned long long)now.tv_sec << 30 ^ (unsigned long long)now.tv_nsec;
    }
    sprintf(p->fresh, ".tapir-%016llx", bits);
}

/* The rights of the old file are given before there is anything to read; until then only its writer has some. */
static mode_t first_mode(const place *p) {
    return p->exists ? 0600 : 0666;
}

static int create_named(place *p) {
    int file = -1;
    for (int tries = 0; file < 0 && tries < MOST_TRIES; tries++) {
        draw_name(p);
        file = openat(p->folder, p->fresh, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, first_mode(p));
        if (file < 0 && errno != EEXIST) break;
    }
    if (file < 0) p->fresh[0] = '\0';
    return file;
}

/* By this a file without a name can be given one. */
static const char *descriptor(int file, char text[DESCRIPTOR]) {
    sprintf(text, "/proc/self/fd/%d", file);
    return text;
}

/* -1 where there is no such file, or no way to name it later. */
static int create_nameless(const place *p) {
    char      text[DESCRIPTOR];
    const int file = openat(p->folder, ".", O_TMPFILE | O_WRONLY | O_CLOEXEC, first_mode(p));
    if (file < 0 || access(descriptor(file, text), F_OK) == 0) return file;
    close(file);
    return -1;
}

static bool give_name(place *p, int file) {
    char text[DESCRIPTOR];
    for (int tries = 0; tries < MOST_TRIES; tries++) {
        draw_name(p);
        if (linkat(AT_FDCWD, descriptor(file, text), p->folder, p->fresh, AT_SYMLINK_FOLLOW) == 0) return true;
        if (errno != EEXIST) break;
    }
    p->fresh[0] = '\0';
    return false;
}

static void remove_fresh(place *p) {
    const int error = errno;
    if (p->fresh[0] != '\0') unlinkat(p->folder, p->fresh, 0);
    p->fresh[0] = '\0';
    errno = error;
}

/* Bits that give a file the rights of its owner are not for what somebody else may have written. */
static FILE *create(place *p, bool nameless) {
    const int file = nameless ? create_nameless(p) : create_named(p);
    if (file < 0) return NULL;
    if (p->exists) (void)!fchmod(file, p->mode & 0777);      /* more private would do too */
    FILE *to = fdopen(file, "wb");
    if (to == NULL) close(file), remove_fresh(p);
    return to;
}

/* ---- writing ---------------------------------------------------------------------------------- */

static bool close_file(FILE *to, bool good) {
    const int error = errno;
    if (fclose(to) != 0 && good) return false;
    errno = error;
    return good;
}

static bool take_place(const place *p) {
    return renameat(p->folder, p->fresh, p->folder, p->name) == 0;
}

/* Out of the program, out of the system's memory, and only then under a name. *unnamed: all went well but that. */
static bool write_file(place *p, FILE *to, nn__writer *write, void *context, bool *unnamed) {
    bool good = write(to, context) && fflush(to) == 0 && fsync(fileno(to)) == 0;
    *unnamed = good && p->fresh[0] == '\0' && !give_name(p, fileno(to));
    good = close_file(to, good && !*unnamed) && take_place(p);
    if (!good) remove_fresh(p);
    return good;
}

/* A file system may have files without a name and yet no way to give them one. */
static bool write_and_rename(place *p, nn__writer *write, void *context) {
    bool  unnamed = true, good = false;
    FILE *to = create(p, true);
    if (to != NULL) good = write_file(p, to, write, context, &unnamed);
    if (good || !unnamed) return good;
    to = create(p, false);
    return to != NULL && write_file(p, to, write, context, &unnamed);
}

/* A folder that may not be listed cannot be opened for this, and some file systems cannot sync a folder and say
 * EINVAL: there the name is on the disk when the system thinks fit. */
static bool sync_folder(const place *p) {
    const int folder = openat(p->folder, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (folder < 0) return errno == EACCES;
    const bool good = fsync(folder) == 0 || errno == EINVAL;
    const int  error = errno;
    close(folder);
    errno = error;
    return good;
}

ad_status nn__replace(const char *path, nn__writer *write, void *context, char message[NN__MESSAGE]) {
    place     p;
    ad_status status = find(&p, path, message);
    if (status != AD_OK) return status;
    if (!write_and_rename(&p, write, context)) status = failed(path, message);
    else if (!sync_folder(&p))
        status = nn__say(AD_BAD_FILE, message, "%s: written, but its folder cannot be synced: %s", path,
                         strerror(errno));
    close(p.folder);
    return status;
}

ad_status nn__replaceable(const char *path, char message[NN__MESSAGE]) {
    place     p;
    ad_status status = find(&p, path, message);
    if (status != AD_OK) return status;
    FILE *to = create(&p, true);
    if (to == NULL) to = create(&p, false);
    if (to == NULL) status = failed(path, message);
    else fclose(to), remove_fresh(&p);
    close(p.folder);
    return status;
}
