/* files.c - files for tests. */
#include "files.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

enum { LONGEST = 512 };

static char folder[LONGEST / 2];

static void give_up(const char *what, const char *path) {
    fprintf(stderr, "tests: %s: %s\n", path, what);
    abort();
}

const char *file_path(const char *name) {
    static char   text[16][LONGEST];
    static size_t calls;
    if (folder[0] == '\0') {
        const char *place = getenv("TMPDIR");
        snprintf(folder, sizeof folder, "%s/tapir-XXXXXX", place != NULL ? place : "/tmp");
        if (mkdtemp(folder) == NULL) give_up("the folder cannot be made", folder);
    }
    char *path = text[calls++ % 16];
    snprintf(path, LONGEST, "%s/%s", folder, name);
    return path;
}

void files_remove(void) {
    DIR *open = folder[0] == '\0' ? NULL : opendir(folder);
    if (open == NULL) return;
    for (const struct dirent *entry; (entry = readdir(open)) != NULL;) {
        char path[LONGEST + 256];
        snprintf(path, sizeof path, "%s/%s", folder, entry->d_name);
        unlink(path);
    }
    closedir(open);
    rmdir(folder);
    folder[0] = '\0';
}

void file_write(const char *path, size_t size, const void *bytes) {
    unlink(path); /* some file systems sync a file that is cut and written again */
    FILE *file = fopen(path, "wb");
    if (file == NULL || fwrite(bytes, 1, size, file) != size || fclose(file) != 0)
        give_up("the file cannot be written", path);
}

void file_write_text(const char *path, const char *text) {
    file_write(path, strlen(text), text);
}

size_t file_read(const char *path, size_t room, void *bytes) {
    FILE *file = fopen(path, "rb");
    if (file == NULL) return 0;
    const size_t size = fread(bytes, 1, room, file);
    fclose(file);
    return size;
}

bool file_exists(const char *path) {
    return access(path, F_OK) == 0;
}

size_t files_count(const char *path) {
    DIR   *open = opendir(path);
    size_t n = 0;
    if (open == NULL) give_up("the folder cannot be read", path);
    while (readdir(open) != NULL) n++;
    closedir(open);
    return n - 2; /* . and .. */
}

static int run(const char *program, char *const arguments[]) {
    int         status = -1;
    const pid_t child = fork();
    if (child == 0) {
        execvp(program, arguments);
        _exit(127);
    }
    if (child < 0 || waitpid(child, &status, 0) != child || !WIFEXITED(status)) return -1;
    return WEXITSTATUS(status);
}

/* The system's own has the modules of its packages; another one in the PATH may be without. */
int python(const char *module, const char *script, const char *a, const char *b, const char *c) {
    static const char *const programs[] = {"/usr/bin/python3", "python3"};
    char                     import[LONGEST], text[5][LONGEST];
    snprintf(import, sizeof import,
             "import importlib.util, sys; sys.exit(importlib.util.find_spec('%s') is None)",
             module != NULL ? module : "sys");
    snprintf(text[0], LONGEST, "python3");
    snprintf(text[1], LONGEST, "%s", script);
    snprintf(text[2], LONGEST, "%s", a != NULL ? a : "");
    snprintf(text[3], LONGEST, "%s", b != NULL ? b : "");
    snprintf(text[4], LONGEST, "%s", c != NULL ? c : "");
    for (size_t i = 0; i < sizeof programs / sizeof *programs; i++) {
        char flag[] = "-c";
        if (run(programs[i], (char *const[]){text[0], flag, import, NULL}) != 0) continue;
        return run(programs[i],
                   (char *const[]){text[0], text[1], a != NULL ? text[2] : NULL,
                                   b != NULL ? text[3] : NULL, c != NULL ? text[4] : NULL, NULL});
    }
    return -1;
}
