/* report.c - writes the files and pictures of a demo.
 *
 * gnuplot reads commands and numbers from a pipe, so there are no scripts left over. Its quoted
 * strings cannot contain a newline, and it runs a path that begins with | as a program: so a path
 * with control characters is refused, and a relative one begins with "./". -d keeps it from reading
 * the user's startup file. */
#include "report.h"

#include "options.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { PATH = 4096 };

static bool complain(const char *what, const char *path) {
    fprintf(stderr, "%s: %s: %s: %s\n", program_invocation_short_name, option_shown(path), what,
            strerror(errno));
    return false;
}

/* ---- files ----------------------------------------------------------------------------------- */

static bool make_folder(const char *path) {
    struct stat found;
    if (mkdir(path, 0777) == 0) return true;
    if (errno == EEXIST && stat(path, &found) == 0) {
        if (S_ISDIR(found.st_mode)) return true;
        errno = ENOTDIR;
    }
    return complain("the folder cannot be made", path);
}

bool report_folder(const char *path) {
    char part[PATH];
    if (strlen(path) >= sizeof part) {
        errno = ENAMETOOLONG;
        return complain("the folder cannot be made", path);
    }
    for (const char *slash = strchr(path + 1, '/'); slash != NULL; slash = strchr(slash + 1, '/')) {
        memcpy(part, path, (size_t)(slash - path));
        part[slash - path] = '\0';
        if (!make_folder(part)) return false;
    }
    if (!make_folder(path)) return false;
    return access(path, W_OK | X_OK) == 0 ||
           complain("nothing can be written into the folder", path);
}

static bool path_of(char path[PATH], const char *folder, const char *name, const char *ending) {
    if (snprintf(path, PATH, "%s/%s%s", folder, name, ending) < PATH) return true;
    errno = ENAMETOOLONG;
    return complain("the file cannot be made", folder);
}

FILE *report_create(const char *folder, const char *name) {
    char path[PATH];
    if (!path_of(path, folder, name, "")) return NULL;
    FILE *file = fopen(path, "w");
    if (file == NULL) complain("the file cannot be made", path);
    return file;
}

bool report_close(FILE *file, const char *folder, const char *name) {
    char       path[PATH];
    const bool bad = ferror(file) != 0;
    if (fclose(file) == 0 && !bad) return true;
    return path_of(path, folder, name, "") && complain("the file cannot be written", path);
}

/* Creates an empty file of a new name with these permissions in the folder of `path`, to be renamed
 * to it when it is complete. */
static FILE *create_beside(const char *path, mode_t mode, char beside[PATH]) {
    const char *slash = strrchr(path, '/');
    const int   folder = slash == NULL ? 0 : (int)(slash - path) + 1;
    if (snprintf(beside, PATH, "%.*s.tapir-XXXXXX", folder, path) >= PATH) {
        errno = ENAMETOOLONG;
        return NULL;
    }
    const int file = mkostemp(beside, O_CLOEXEC);
    if (file < 0) return NULL;
    (void)!fchmod(file, mode);
    FILE *to = fdopen(file, "w");
    if (to == NULL) close(file), remove(beside);
    return to;
}

static mode_t usual_mode(void) {
    const mode_t mask = umask(0);
    umask(mask);
    return 0666 & ~mask;
}

/* Renaming would replace a device or a pipe by a file, and so they are refused; a link to a file is
 * followed. A dangling link is refused: its target cannot be resolved. */
static bool replaceable(const char *program, const char *path, char target[PATH_MAX],
                        mode_t *mode) {
    struct stat is;
    *mode = usual_mode();
    if (lstat(path, &is) != 0) return snprintf(target, PATH_MAX, "%s", path) < PATH_MAX;
    if (stat(path, &is) == 0 && S_ISREG(is.st_mode) && realpath(path, target) != NULL) {
        *mode = is.st_mode & 0777;
        return true;
    }
    fprintf(stderr, "%s: %s is not a regular file: nothing is written there\n", program,
            option_shown(path));
    return false;
}

bool report_whole(const char *program, const char *path, bool (*write)(FILE *to, void *context),
                  void *context) {
    char   target[PATH_MAX], beside[PATH];
    mode_t mode;
    if (!replaceable(program, path, target, &mode)) return false;
    FILE *to = create_beside(target, mode, beside);
    bool  good = to != NULL, said = false;
    if (good && !write(to, context)) good = false, said = !ferror(to);
    if (to != NULL && fclose(to) != 0) good = false;
    if (good && rename(beside, target) != 0) good = false;
    if (!good && !said)
        fprintf(stderr, "%s: %s cannot be written: %s\n", program, option_shown(path),
                strerror(errno));
    if (!good && to != NULL) remove(beside);
    return good;
}

/* ---- gnuplot --------------------------------------------------------------------------------- */

bool report_gnuplot(void) {
    const char *at = getenv("PATH");
    while (at != NULL && *at != '\0') {
        const size_t length = strcspn(at, ":");
        char         path[PATH];
        snprintf(path, sizeof path, "%.*s/gnuplot", (int)length, at);
        if (length > 0 && access(path, X_OK) == 0) return true;
        at += length + (at[length] == ':');
    }
    return false;
}

/* After a newline in a path gnuplot would take the rest as commands. */
static bool quotable(const char *path) {
    if (!option_control(path)) return true;
    errno = EINVAL;
    return complain("gnuplot is not given a path with a control character", path);
}

/* In gnuplot's single quotes only the quote, which is doubled, and the newline are special. */
static void put_quoted(FILE *to, const char *text) {
    fputc('\'', to);
    for (; *text != '\0'; text++) {
        if (*text == '\'') fputc('\'', to);
        fputc(*text, to);
    }
    fputc('\'', to);
}

static const struct format {
    const char *ending, *terminal;
} formats[] = {
    {".svg", "svg size %d,%d enhanced font 'DejaVu Sans,13' background rgb 'white'"},
    {".png", "pngcairo size 2*%d,2*%d enhanced font 'DejaVu Sans,13' fontscale 2 linewidth 2 "
             "pointscale 2 background rgb 'white'"},
};

/* Replaces the picture atomically. */
static bool draw_as(const struct format *format, const char *folder, const char *name, int width,
                    int height, report_script *commands, const void *what) {
    char path[PATH], part[PATH], place[PATH + 2];
    if (!path_of(path, folder, name, format->ending) || !quotable(path)) return false;
    FILE *beside = create_beside(path, usual_mode(), part);
    if (beside == NULL || fclose(beside) != 0) return complain("the file cannot be made", path);
    snprintf(place, sizeof place, "%s%s", part[0] == '/' ? "" : "./", part);
    FILE *gnuplot = popen("exec gnuplot -d", "w");
    if (gnuplot == NULL) return remove(part), complain("gnuplot cannot be started", path);
    fputs("set terminal ", gnuplot);
    fprintf(gnuplot, format->terminal, width, height);
    fputs("\nset output ", gnuplot);
    put_quoted(gnuplot, place);
    fputc('\n', gnuplot);
    commands(gnuplot, what);
    if (pclose(gnuplot) == 0 && rename(part, path) == 0) return true;
    remove(part);
    fprintf(stderr, "%s: %s: gnuplot did not draw it\n", program_invocation_short_name,
            option_shown(path));
    return false;
}

/* SIGPIPE is ignored: gnuplot may exit before it has read everything, which must not end the
 * program. */
bool report_draw(const char *folder, const char *name, int width, int height,
                 report_script *commands, const void *what) {
    void (*before)(int) = signal(SIGPIPE, SIG_IGN);
    bool done = true;
    for (size_t i = 0; i < sizeof formats / sizeof *formats; i++)
        done = draw_as(&formats[i], folder, name, width, height, commands, what) && done;
    signal(SIGPIPE, before);
    return done;
}

/* ---- the two pictures ------------------------------------------------------------------------ */

static void curve_script(FILE *to, const void *what) {
    const report_curve *c = what;
    fputs("$curve << END\n", to);
    for (size_t i = 0; i < c->epochs; i++)
        fprintf(to, "%zu %.17g %.17g\n", i + 1, c->loss[i], 100 * c->accuracy[i]);
    fputs("END\n"
          "set border 3 lc rgb '#555555'; set tics nomirror tc rgb '#555555'\n"
          "set grid ytics lc rgb '#dddddd' lt 1; unset key\n"
          "set multiplot layout 1,2 margins 0.07,0.97,0.18,0.88 spacing 0.1\n"
          "set xlabel 'epoch' tc rgb '#555555'\n",
          to);
    fprintf(to, "set xrange [0:%zu]\n", c->epochs);
    fputs("set title 'mean loss while learning' font ',15'\n"
          "set logscale y; set format y '%g'\n"
          "plot $curve using 1:2 with linespoints lc rgb '#c04020' lw 2 pt 7 ps 0.4\n"
          "unset logscale y; set format y '%g %%'\n"
          "set title 'accuracy on held-out images' font ',15'\n"
          "set yrange [:100]\n"
          "plot $curve using 1:3 with linespoints lc rgb '#2060a0' lw 2 pt 7 ps 0.4\n"
          "unset multiplot\n",
          to);
}

bool report_draw_curve(const char *folder, const char *name, report_curve curve) {
    return report_draw(folder, name, 960, 400, curve_script, &curve);
}

typedef struct titled {
    report_matrix matrix;
    const char   *title;
} titled;

/* The fourth column is the share of the row; mistakes are shaded by its square root, so that one in
 * forty is visible. */
static void matrix_script(FILE *to, const void *what) {
    const titled *t = what;
    const size_t  n = t->matrix.n;
    fputs("$cells << END\n", to);
    for (size_t i = 0; i < n; i++) {
        size_t total = 0;
        for (size_t j = 0; j < n; j++) total += t->matrix.count[i * n + j];
        for (size_t j = 0; j < n; j++) {
            const size_t count = t->matrix.count[i * n + j];
            const double share = total == 0 ? 0 : (double)count / (double)total;
            fprintf(to, "%zu %zu %zu %.6f %d\n", j, i, count, share, i == j);
        }
    }
    fputs("END\nset title ", to);
    put_quoted(to, t->title);
    fprintf(to,
            " font ',15' offset 0,1.2\n"
            "unset key; unset colorbox; unset border; set tics scale 0 tc rgb '#555555'\n"
            "set size square; set xrange [-0.5:%zu-0.5]; set yrange [%zu-0.5:-0.5]\n"
            "set xtics 0,1,%zu; set ytics 0,1,%zu\n",
            n, n, n - 1, n - 1);
    fprintf(to, "unset xtics; set x2tics 0,1 offset 0,-0.3; set x2range [-0.5:%zu-0.5]\n", n);
    fputs(
        "set x2label 'read as' tc rgb '#555555' offset 0,-0.5; set ylabel 'true' tc rgb '#555555'\n"
        "set style fill solid noborder\n"
        "mix(a, b, s) = int(a + (b - a)*s)\n"
        "blue(s) = 65536*mix(244, 32, s) + 256*mix(246, 96, s) + mix(248, 160, s)\n"
        "red(s) = 65536*mix(252, 192, s) + 256*mix(222, 64, s) + mix(210, 32, s)\n"
        "shade(n, s, right) = n == 0 ? 0xf4f6f8 : right == 1 ? blue(s) : red(sqrt(s))\n"
        "ink(n, s, right) = (right == 1 && s > 0.5) ? 0xffffff : 0x222222\n"
        "plot $cells using 1:2:(0.47):(0.47):(shade($3, $4, $5)) with boxxyerror lc rgb variable, "
        "\\\n"
        "     '' using 1:2:($3 == 0 ? '' : strcol(3)):(ink($3, $4, $5)) with labels tc rgb "
        "variable\n",
        to);
}

bool report_draw_matrix(const char *folder, const char *name, report_matrix matrix,
                        const char *title) {
    const titled t = {matrix, title};
    return report_draw(folder, name, 560, 600, matrix_script, &t);
}
