/* replace.c - tests of nn/replace.c: the old file or the new one, whatever goes wrong. Full disks,
 * limits, kills and many writers at once are tried by tests/nn/save.c. */
#include "nn/replace.h"
#include "files.h"

#include "expect.h"
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static char message[NN__MESSAGE];

static void make(void) {
    file_write_text(file_path("a"), "old");
}

TestSuite(replace, .init = make, .fini = files_remove);

static bool write_text(FILE *to, void *context) {
    return fputs(context, to) >= 0;
}

/* Writes half, then fails. */
static bool write_half(FILE *to, void *context) {
    fputs(context, to);
    fflush(to);
    errno = EIO;
    return false;
}

static ad_status replace(const char *path, nn__writer *write) {
    static char text[] = "new";
    return nn__replace(path, write, text, message);
}

static void expect_text(const char *path, const char *want) {
    char         text[16] = "";
    const size_t n = file_read(path, sizeof text - 1, text);
    cr_expect(n == strlen(want) && strcmp(text, want) == 0, "%s holds \"%s\", not \"%s\"", path,
              text, want);
}

/* Expects exactly so many files in the folder. */
static void expect_files(size_t want, const char *folder) {
    cr_expect_eq(files_count(folder), want, "%zu files in %s, not %zu", files_count(folder), folder,
                 want);
}

/* Becomes an unprivileged user. False if this already is one, or cannot become one. */
static bool drop_root(void) {
    return geteuid() == 0 && seteuid(65534) == 0;
}

/* A folder with these permissions, owned by nobody, or by us if we are not root; remove_folder
 * deletes it. */
static const char *folder_with(mode_t mode) {
    const char *folder = file_path("folder");
    cr_assert_eq(mkdir(folder, 0700), 0);
    if (geteuid() == 0) {
        cr_assert_eq(chmod(file_path("."), 0755), 0);
        cr_assert_eq(chown(folder, 65534, 65534), 0);
    }
    cr_assert_eq(chmod(folder, mode), 0);
    return folder;
}

static void remove_folder(const char *file) {
    unlink(file_path(file));
    cr_expect_eq(rmdir(file_path("folder")), 0, "something is left in the folder");
}

static void expect_refused(const char *path, const char *words) {
    cr_expect_eq(replace(path, write_text), AD_BAD_FILE);
    cr_expect(strstr(message, words) != NULL, "\"%s\" is not in: %s", words, message);
}

Test(replace, a_file_is_replaced_and_nothing_is_left_beside_it) {
    cr_expect_eq(replace(file_path("a"), write_text), AD_OK, "%s", message);
    expect_text(file_path("a"), "new");
    expect_files(1, file_path("."));
}

Test(replace, a_file_that_was_not_there_is_made) {
    cr_expect_eq(replace(file_path("b"), write_text), AD_OK, "%s", message);
    expect_text(file_path("b"), "new");
}

Test(replace, a_path_without_a_folder_is_of_the_folder_that_is_worked_in) {
    char folder[600];
    snprintf(folder, sizeof folder, "%s", file_path("."));
    cr_assert_eq(chdir(folder), 0);
    cr_expect_eq(replace("a", write_text), AD_OK, "%s", message);
    expect_text(file_path("a"), "new");
    cr_assert_eq(chdir("/"), 0);
}

Test(replace, a_writer_that_fails_leaves_the_old_file_and_its_error_is_told) {
    cr_expect_eq(replace(file_path("a"), write_half), AD_BAD_FILE);
    cr_expect(strstr(message, strerror(EIO)) != NULL, "%s", message);
    expect_text(file_path("a"), "old");
    expect_files(1, file_path("."));
}

/* A file next to it belongs to somebody, whatever its name. */
Test(replace, files_beside_it_are_left_alone) {
    static const char *const names[] = {"a.new", "a.tmp", ".tapir-", ".tapir-0000000000000000",
                                        "a~"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        file_write_text(file_path(names[i]), "another");
    cr_expect_eq(replace(file_path("a"), write_text), AD_OK, "%s", message);
    expect_text(file_path("a"), "new");
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        expect_text(file_path(names[i]), "another");
    expect_files(1 + sizeof names / sizeof *names, file_path("."));
}

static bool die(FILE *to, void *context) {
    fputs(context, to);
    fflush(to);
    kill(getpid(), SIGKILL);
    return true;
}

Test(replace, a_process_that_is_killed_leaves_the_old_file_and_nothing_else) {
    const int nameless = open(file_path("."), O_TMPFILE | O_WRONLY, 0600);
    if (nameless < 0) cr_skip_test("this file system lacks files without a name");
    close(nameless);
    const pid_t child = fork();
    if (child == 0) _exit((int)replace(file_path("a"), die));
    int status;
    waitpid(child, &status, 0);
    cr_expect(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
    expect_text(file_path("a"), "old");
    expect_files(1, file_path("."));
}

/* Anyone who can open the folder can lock it, for as long as they like. */
Test(replace, a_lock_on_the_folder_or_the_file_is_not_waited_for, .timeout = 20) {
    const int folder = open(file_path("."), O_RDONLY | O_DIRECTORY),
              file = open(file_path("a"), O_RDONLY);
    cr_assert_eq(flock(folder, LOCK_EX), 0);
    cr_assert_eq(flock(file, LOCK_EX), 0);
    cr_expect_eq(replace(file_path("a"), write_text), AD_OK, "%s", message);
    expect_text(file_path("a"), "new");
    close(folder);
    close(file);
}

Test(replace, a_folder_that_may_be_written_but_not_listed_will_do) {
    const char *folder = folder_with(0333), *file = file_path("folder/b");
    const bool  dropped = drop_root();
    cr_expect_eq(nn__replaceable(file, message), AD_OK, "%s", message);
    cr_expect_eq(replace(file, write_text), AD_OK, "%s", message);
    cr_expect_eq(replace(file, write_half), AD_BAD_FILE);
    cr_expect_eq(replace(file, write_text), AD_OK, "%s", message);
    if (dropped) cr_assert_eq(seteuid(0), 0);
    chmod(folder, 0700);
    expect_text(file, "new");
    expect_files(1, folder);
    remove_folder("folder/b");
}

/* In /tmp a file of another user may be readable and writable, but cannot be replaced. */
Test(replace, somebody_elses_file_in_a_folder_of_all_is_refused_before_anything_is_written) {
    if (geteuid() != 0) cr_skip_test("only root can make somebody else's file");
    const char *folder = folder_with(01777), *file = file_path("folder/b");
    cr_assert_eq(chown(folder, 0, 0), 0);
    file_write_text(file, "old");
    chmod(file, 0666);
    cr_assert(drop_root());
    expect_refused(file, strerror(EPERM));
    cr_expect_eq(nn__replaceable(file, message), AD_BAD_FILE);
    cr_assert_eq(seteuid(0), 0);
    expect_text(file, "old");
    expect_files(1, folder);
    remove_folder("folder/b");
}

/* Without /proc an unnamed file cannot be given a name. */
Test(replace, without_proc_it_has_a_name_from_the_beginning) {
    if (unshare(CLONE_NEWNS) != 0 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) != 0 ||
        mount("tmpfs", "/proc", "tmpfs", 0, NULL) != 0)
        cr_skip_test("nothing can be mounted here");
    cr_expect_eq(replace(file_path("a"), write_half), AD_BAD_FILE);
    expect_text(file_path("a"), "old");
    cr_expect_eq(replace(file_path("a"), write_text), AD_OK, "%s", message);
    expect_text(file_path("a"), "new");
    cr_expect_eq(nn__replaceable(file_path("b"), message), AD_OK, "%s", message);
    expect_files(1, file_path("."));
}

Test(replace, a_link_stays_and_its_file_is_replaced) {
    struct stat about;
    cr_assert_eq(symlink("a", file_path("link")), 0);
    cr_expect_eq(replace(file_path("link"), write_text), AD_OK, "%s", message);
    cr_expect(lstat(file_path("link"), &about) == 0 && S_ISLNK(about.st_mode));
    expect_text(file_path("a"), "new");
}

static void expect_link(const char *path) {
    struct stat about;
    cr_expect(lstat(path, &about) == 0 && S_ISLNK(about.st_mode), "%s is no link any more", path);
}

Test(replace, a_link_to_nothing_stays_and_its_file_is_made) {
    char whole[600];
    snprintf(whole, sizeof whole, "%s", file_path("second"));
    cr_assert_eq(symlink("first", file_path("link")), 0);
    cr_assert_eq(symlink(whole, file_path("first")), 0); /* one is absolute, one relative */
    cr_expect_eq(nn__replaceable(file_path("link"), message), AD_OK, "%s", message);
    cr_expect_not(file_exists(file_path("second")));
    cr_expect_eq(replace(file_path("link"), write_text), AD_OK, "%s", message);
    expect_link(file_path("link"));
    expect_link(file_path("first"));
    expect_text(file_path("second"), "new");
    expect_files(4, file_path("."));
}

Test(replace, a_link_is_relative_to_the_folder_it_stands_in) {
    folder_with(0700);
    cr_assert_eq(symlink("folder", file_path("way")), 0);
    cr_assert_eq(symlink("../b", file_path("folder/link")), 0);
    cr_expect_eq(replace(file_path("way/link"), write_text), AD_OK, "%s", message);
    expect_text(file_path("b"), "new");
    remove_folder("folder/link");
}

Test(replace, links_that_lead_nowhere_are_refused_and_stay) {
    cr_assert_eq(symlink("no/file", file_path("link")), 0);
    expect_refused(file_path("link"), strerror(ENOENT));
    cr_assert_eq(symlink("self", file_path("self")), 0);
    expect_refused(file_path("self"), strerror(ELOOP));
    cr_assert_eq(symlink(".", file_path("here")), 0);
    expect_refused(file_path("here"), "not a regular file");
    expect_link(file_path("link"));
    expect_link(file_path("self"));
    expect_files(4, file_path("."));
}

Test(replace, the_mode_of_the_file_is_kept) {
    static const mode_t modes[] = {0600, 0640, 0644, 0444};
    struct stat         about;
    for (size_t i = 0; i < sizeof modes / sizeof *modes; i++) {
        cr_assert_eq(chmod(file_path("a"), modes[i]), 0);
        cr_expect_eq(replace(file_path("a"), write_text), AD_OK, "%s", message);
        cr_expect(stat(file_path("a"), &about) == 0 && (about.st_mode & 07777) == modes[i], "%o",
                  (unsigned)about.st_mode);
    }
}

/* Set-user-id was granted to the old content, not to what is saved over it. */
Test(replace, bits_that_lend_the_rights_of_the_owner_are_not_kept) {
    static const mode_t modes[] = {04755, 02755, 01644, 07777};
    struct stat         about;
    for (size_t i = 0; i < sizeof modes / sizeof *modes; i++) {
        cr_assert_eq(chmod(file_path("a"), modes[i]), 0);
        cr_expect_eq(replace(file_path("a"), write_text), AD_OK, "%s", message);
        cr_expect(stat(file_path("a"), &about) == 0 && (about.st_mode & 07777) == (modes[i] & 0777),
                  "%o", (unsigned)about.st_mode);
    }
}

Test(replace, devices_pipes_and_folders_are_left_alone) {
    struct stat about;
    cr_assert_eq(mkfifo(file_path("pipe"), 0600), 0);
    expect_refused(file_path("pipe"), "not a regular file");
    cr_expect(stat(file_path("pipe"), &about) == 0 && S_ISFIFO(about.st_mode));
    expect_refused("/dev/null", "not a regular file");
    expect_refused(file_path("."), "not a regular file");
}

Test(replace, a_folder_that_is_not_there_is_refused) {
    expect_refused(file_path("no/b"), strerror(ENOENT));
    expect_refused(file_path("a/b"), strerror(ENOTDIR));
    expect_refused("", strerror(ENOENT));
}

Test(replace, a_folder_that_cannot_be_written_is_refused_and_the_old_file_stays) {
    const uid_t self = geteuid();
    chmod(file_path("."), 0555);
    if (self == 0 && seteuid(65534) != 0) cr_skip_test("root may write everywhere");
    expect_refused(file_path("a"), strerror(EACCES));
    if (self == 0) cr_assert_eq(seteuid(0), 0);
    chmod(file_path("."), 0700);
    expect_text(file_path("a"), "old");
}

Test(replace, any_name_that_a_file_may_have_will_do) {
    char name[256];
    memset(name, 'n', sizeof name - 1);
    for (size_t length = 240; length <= 255; length++) {
        name[length] = '\0';
        cr_expect_eq(replace(file_path(name), write_text), AD_OK, "%zu: %s", length, message);
        expect_text(file_path(name), "new");
        unlink(file_path(name));
        name[length] = 'n';
    }
    expect_files(1, file_path("."));
}

Test(replace, names_that_are_too_long_are_refused) {
    static char name[10000];
    memset(name, 'n', sizeof name - 1);
    expect_refused(name, "");
    name[256] = '\0';
    expect_refused(file_path(name), strerror(ENAMETOOLONG));
}

/* ---- checks in advance ----------------------------------------------------------------------- */

static void expect_not_replaceable(const char *path, const char *words) {
    cr_expect_eq(nn__replaceable(path, message), AD_BAD_FILE, "%s", path);
    cr_expect(strstr(message, words) != NULL, "\"%s\" is not in: %s", words, message);
}

Test(replace, what_could_be_written_is_not_changed_by_the_question) {
    cr_expect_eq(nn__replaceable(file_path("a"), message), AD_OK, "%s", message);
    cr_expect_eq(nn__replaceable(file_path("b"), message), AD_OK, "%s", message);
    expect_text(file_path("a"), "old");
    expect_files(1, file_path("."));
}

Test(replace, what_could_not_be_written_is_known_before) {
    const char *folder = folder_with(0555), *file = file_path("folder/b");
    const bool  dropped = drop_root();
    expect_not_replaceable(file, strerror(EACCES));
    if (dropped) cr_assert_eq(seteuid(0), 0);
    chmod(folder, 0700);
    remove_folder("folder/b");
    expect_not_replaceable(file_path("no/b"), strerror(ENOENT));
    expect_not_replaceable("/dev/null", "not a regular file");
    expect_not_replaceable("", strerror(ENOENT));
}
