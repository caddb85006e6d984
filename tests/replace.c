/* replace.c - tests of nn/replace.c: the old file or the new one, whatever goes wrong. Full disks, limits, kills and
 * many writers at once are tried by tests/save.c. */
#include "nn/replace.h"
#include "files.h"

#include "expect.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static char message[NN__MESSAGE];

static void make(void) {
    file_write_text(file_path("a"), "old");
}

TestSuite(replace, .init = make, .fini = files_remove);

static bool write_text(FILE *to, void *context) {
    return fputs(context, to) >= 0;
}

/* Half of it, then nothing goes any more. */
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
    cr_expect(n == strlen(want) && strcmp(text, want) == 0, "%s holds \"%s\", not \"%s\"", path, text, want);
}

static void expect_nothing_beside(const char *path) {
    char beside[600];
    snprintf(beside, sizeof beside, "%s.new", path);
    cr_expect_not(file_exists(beside));
}

static void expect_refused(const char *path, const char *words) {
    cr_expect_eq(replace(path, write_text), AD_BAD_FILE);
    cr_expect(strstr(message, words) != NULL, "\"%s\" is not in: %s", words, message);
}

Test(replace, a_file_is_replaced_and_nothing_is_left_beside_it) {
    cr_expect_eq(replace(file_path("a"), write_text), AD_OK, "%s", message);
    expect_text(file_path("a"), "new");
    expect_nothing_beside(file_path("a"));
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
    expect_nothing_beside(file_path("a"));
}

Test(replace, remains_of_another_run_are_replaced) {
    file_write_text(file_path("a.new"), "half of a fi");
    cr_expect_eq(replace(file_path("a"), write_text), AD_OK, "%s", message);
    expect_text(file_path("a"), "new");
    expect_nothing_beside(file_path("a"));
}

Test(replace, a_link_stays_and_its_file_is_replaced) {
    struct stat about;
    cr_assert_eq(symlink("a", file_path("link")), 0);
    cr_expect_eq(replace(file_path("link"), write_text), AD_OK, "%s", message);
    cr_expect(lstat(file_path("link"), &about) == 0 && S_ISLNK(about.st_mode));
    expect_text(file_path("a"), "new");
}

Test(replace, a_link_to_nothing_is_refused_and_stays) {
    struct stat about;
    cr_assert_eq(symlink("nothing", file_path("link")), 0);
    expect_refused(file_path("link"), strerror(ENOENT));
    cr_expect(lstat(file_path("link"), &about) == 0 && S_ISLNK(about.st_mode));
    cr_expect_not(file_exists(file_path("nothing")));
}

/* What would follow a link there would write wherever it leads. */
Test(replace, a_link_in_the_place_of_the_new_file_is_not_followed) {
    file_write_text(file_path("other"), "other");
    cr_assert_eq(symlink("other", file_path("a.new")), 0);
    cr_expect_eq(replace(file_path("a"), write_text), AD_OK, "%s", message);
    expect_text(file_path("other"), "other");
    expect_text(file_path("a"), "new");
}

Test(replace, the_mode_of_the_file_is_kept) {
    static const mode_t modes[] = {0600, 0640, 0644, 0444};
    struct stat         about;
    for (size_t i = 0; i < sizeof modes/sizeof *modes; i++) {
        cr_assert_eq(chmod(file_path("a"), modes[i]), 0);
        cr_expect_eq(replace(file_path("a"), write_text), AD_OK, "%s", message);
        cr_expect(stat(file_path("a"), &about) == 0 && (about.st_mode & 07777) == modes[i], "%o", (unsigned)about.st_mode);
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

Test(replace, names_that_are_too_long_are_refused) {
    static char name[10000];
    memset(name, 'n', sizeof name - 1);
    expect_refused(name, "");
    name[300] = '\0';
    expect_refused(file_path(name), strerror(ENAMETOOLONG));
    name[254] = '\0';                            /* may be a name, but not with .new behind it */
    expect_refused(file_path(name), strerror(ENAMETOOLONG));
}
