/* sandbox.c - calls a function of a shared library in a process of its own.
 *
 * The child loads the library and waits for commands, a byte each; x and the results stand in
 * memory that both share. Each of the two arrays ends at the end of a page, behind which there is
 * none: a function that goes beyond the end of an array stops there, and is told which entry it
 * wanted. Results are a NaN that no computation gives until they are written. What the function
 * prints goes to stderr, and its standard input is empty.
 *
 * Invariant: between two calls either there is no child, or it is waiting for a command. */
#include "sandbox.h"

#include "engine/base/text.h"
#include "library.h"
#include "options.h"

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <poll.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { MOST_ENDS = 200, SENTENCE = LIBRARY_WHY + 200 };
enum { READY = 'r', REFUSED = 'n', VALUE = 'v', GRADIENT = 'g', DONE = 'd' };

/* What both processes see, besides x and the results. */
typedef struct shared {
    char     why[LIBRARY_WHY];
    uint64_t fault; /* the address that a call wanted and may not have */
} shared;

struct sandbox {
    const sandbox_config *config;
    shared               *shared;
    double               *x;   /* n entries, at the end of their pages */
    double               *end; /* of the results, likewise: so many as a call gives stand before */
    char                 *memory;
    size_t                length;
    pid_t                 child; /* 0: none */
    int                   line;  /* to the child */
    size_t                ends;
    bool                  loaded, gave_up, ending; /* ending: the child answers no more */
    char                  trouble[SENTENCE];
};

/* ---- memory ---------------------------------------------------------------------------------- */

static size_t page_size(void) {
    return (size_t)sysconf(_SC_PAGESIZE);
}

static size_t whole_pages(size_t bytes) {
    const size_t page = page_size();
    return (bytes + page - 1) / page * page;
}

static bool make_memory(sandbox *s) {
    const size_t page = page_size(), n = s->config->n;
    const size_t m = s->config->outputs > 0 ? s->config->outputs : 1;
    if (n > SIZE_MAX / 64 / m) return false;
    const size_t array = whole_pages(n * sizeof(double)), first = whole_pages(sizeof(shared)),
                 results = whole_pages(n * m * sizeof(double));
    s->length = first + array + results + 2 * page;
    s->memory = mmap(NULL, s->length, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (s->memory == MAP_FAILED) return false;
    s->shared = (void *)s->memory;
    char *end = s->memory + first + array;
    s->x = (double *)(void *)end - n;
    s->end = (double *)(void *)(end + page + results);
    return mprotect(end, page, PROT_NONE) == 0 && mprotect(s->end, page, PROT_NONE) == 0;
}

/* How many numbers a call gives. */
static size_t results_of(const sandbox_config *c, char word) {
    const size_t m = c->outputs > 0 ? c->outputs : 1;
    return word == VALUE ? m : m * c->n;
}

/* A quiet NaN with bits that are nobody's. */
static double unwritten(void) {
    const uint64_t bits = 0x7ff8dead0000beefu;
    double         x;
    memcpy(&x, &bits, sizeof x);
    return x;
}

static bool is_unwritten(double x) {
    const double none = unwritten();
    return memcmp(&x, &none, sizeof x) == 0;
}

/* ---- the child ------------------------------------------------------------------------------- */

typedef void any_function(void);

/* dlsym returns a pointer to data, which C does not convert to one to a function. */
static any_function *as_function(void *symbol) {
    any_function *function;
    memcpy(&function, &symbol, sizeof function);
    return function;
}

/* The value, or all of them, goes to y. */
static void call_value(const sandbox_config *c, any_function *f, const double x[], double y[]) {
    const int n = (int)c->n, m = (int)c->outputs;
    if (c->outputs > 0 && c->fortran)
        ((void (*)(const int *, const double[], const int *, double[]))f)(&n, x, &m, y);
    else if (c->outputs > 0 && c->context)
        ((void (*)(size_t, const double[], size_t, double[], void *))f)(c->n, x, c->outputs, y,
                                                                        NULL);
    else if (c->outputs > 0)
        ((void (*)(size_t, const double[], size_t, double[]))f)(c->n, x, c->outputs, y);
    else if (c->fortran) *y = ((double (*)(const int *, const double[]))f)(&n, x);
    else if (c->context) *y = ((double (*)(size_t, const double[], void *))f)(c->n, x, NULL);
    else *y = ((double (*)(size_t, const double[]))f)(c->n, x);
}

/* A Jacobian is written as outputs are, only longer. */
static void call_gradient(const sandbox_config *c, any_function *g, const double x[],
                          double out[]) {
    const int n = (int)c->n;
    if (c->outputs > 0) call_value(c, g, x, out);
    else if (c->fortran) ((void (*)(const int *, const double[], double[]))g)(&n, x, out);
    else if (c->context)
        ((void (*)(size_t, const double[], double[], void *))g)(c->n, x, out, NULL);
    else ((void (*)(size_t, const double[], double[]))g)(c->n, x, out);
}

static shared *seen; /* by the signal handler of the child */

/* On return the instruction faults again, and ends the process by the same signal. */
static void note_fault(int number, siginfo_t *info, void *context) {
    (void)context;
    seen->fault = (uint64_t)(uintptr_t)info->si_addr;
    signal(number, SIG_DFL);
}

/* A function that has used up the stack needs another one to say so. */
static void watch_faults(void) {
    static char      stack[1 << 16];
    const stack_t    other = {.ss_sp = stack, .ss_size = sizeof stack};
    struct sigaction note = {.sa_sigaction = note_fault, .sa_flags = SA_SIGINFO | SA_ONSTACK};
    sigaltstack(&other, NULL);
    sigaction(SIGSEGV, &note, NULL);
    sigaction(SIGBUS, &note, NULL);
}

static void settle_child(pid_t parent) {
    const int           usual[] = {SIGILL, SIGABRT, SIGFPE, SIGPIPE, SIGALRM, SIGTERM};
    const struct rlimit none = {0, 0};
    for (size_t i = 0; i < sizeof usual / sizeof *usual; i++) signal(usual[i], SIG_DFL);
    setrlimit(RLIMIT_CORE, &none);
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != parent) _exit(0);
    const int nothing = open("/dev/null", O_RDONLY);
    if (nothing >= 0) dup2(nothing, STDIN_FILENO);
    dup2(STDERR_FILENO, STDOUT_FILENO);
}

/* Without the line there is no other way to say that it is gone. */
static void answer(int line, char word) {
    if (write(line, &word, 1) != 1) raise(SIGKILL);
}

/* A function may fork; a process that it leaves running in here is none of ours. */
static void call(sandbox *s, char word, any_function *function, pid_t self) {
    const sandbox_config *c = s->config;
    double               *out = s->end - results_of(c, word), value;
    const bool            returned = word == VALUE && c->outputs == 0;
    if (word == VALUE) call_value(c, function, s->x, returned ? &value : out);
    else call_gradient(c, function, s->x, out);
    fflush(stdout);
    if (getpid() != self) _exit(0);
    if (returned) *out = value;
}

static void serve(sandbox *s, int line) {
    const sandbox_config *c = s->config;
    char                 *why = s->shared->why, word = 0;
    const pid_t           self = getpid();
    void                 *library = library_load(c->library, why), *f = NULL, *g = NULL;
    if (library != NULL) f = library_function(library, c->library, c->function, c->fortran, why);
    if (f != NULL) g = library_function(library, c->library, c->gradient, c->fortran, why);
    answer(line, g != NULL ? READY : REFUSED);
    while (read(line, &word, 1) == 1) {
        call(s, word, as_function(word == VALUE ? f : g), self);
        answer(line, DONE);
    }
    _exit(0);
}

/* ---- what went wrong ------------------------------------------------------------------------- */

enum { SHOWN = 6 };

static void write_point(size_t n, const double x[], size_t room, char text[]) {
    char   number[AD__SHORTEST];
    size_t length = (size_t)snprintf(text, room, "(");
    for (size_t i = 0; i < n && i < SHOWN; i++)
        length += (size_t)snprintf(text + length, room - length, "%s%s", i > 0 ? ", " : "",
                                   ad__shortest(x[i], number));
    if (n > SHOWN) snprintf(text + length, room - length, ", ... %zu in all)", n);
    else snprintf(text + length, room - length, ")");
}

/* "f crashed (SIGSEGV) at x = (1, 2): it wanted x[2]"; the first one is kept. */
__attribute__((format(printf, 5, 6))) static void trouble(sandbox *s, const char *function,
                                                          const double x[], const char *rest,
                                                          const char *format, ...) {
    char    point[SHOWN * AD__SHORTEST + 60], what[200];
    va_list list;
    if (*s->trouble != '\0') return;
    va_start(list, format);
    vsnprintf(what, sizeof what, format, list);
    va_end(list);
    write_point(s->config->n, x, sizeof point, point);
    snprintf(s->trouble, sizeof s->trouble, "%.200s %s at x = %s%s", option_shown(function), what,
             point, rest);
}

static const char *results_name(const sandbox_config *c, char word) {
    return c->outputs == 0 ? "gradient" : word == VALUE ? "y" : "jacobian";
}

/* The entry beyond the end of an array that the fault was about, or nothing. */
static const char *beyond(const sandbox *s, char word, char text[80]) {
    const sandbox_config *c = s->config;
    const double         *fault = (const double *)(uintptr_t)s->shared->fault, *x = s->x + c->n;
    const size_t          page = page_size() / sizeof(double);
    *text = '\0';
    if (fault >= x && fault < x + page)
        snprintf(text, 80, ": it wanted x[%zu], but x has %zu", c->n + (size_t)(fault - x), c->n);
    else if (fault >= s->end && fault < s->end + page) {
        const size_t count = results_of(c, word);
        snprintf(text, 80, ": it wanted %s[%zu], but there are %zu", results_name(c, word),
                 count + (size_t)(fault - s->end), count);
    }
    return text;
}

static const char *signal_name(int number) {
    switch (number) {
    case SIGSEGV: return "SIGSEGV";
    case SIGBUS: return "SIGBUS";
    case SIGFPE: return "SIGFPE";
    case SIGILL: return "SIGILL";
    case SIGABRT: return "SIGABRT";
    case SIGKILL: return "SIGKILL";
    case SIGTRAP: return "SIGTRAP";
    default: return strsignal(number);
    }
}

static void say_end(sandbox *s, const char *function, char word, const double x[], int status) {
    char text[80];
    if (WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL)
        trouble(s, function, x, "", "closed files that are not its own, or was killed,");
    else if (WIFSIGNALED(status))
        trouble(s, function, x, beyond(s, word, text), "crashed (%s)",
                signal_name(WTERMSIG(status)));
    else trouble(s, function, x, "", "ended the program with status %d", WEXITSTATUS(status));
}

/* ---- the parent ------------------------------------------------------------------------------ */

/* Ends the child, unless it has ended by itself or is about to, and returns how it ended. */
static int bury(sandbox *s) {
    int                   status = 0;
    pid_t                 ended = 0;
    const struct timespec moment = {.tv_nsec = 2000000};
    for (int k = 0; k < 100 && s->ending && ended == 0; k++) {
        ended = waitpid(s->child, &status, WNOHANG);
        if (ended == 0) nanosleep(&moment, NULL);
    }
    if (ended == 0) kill(s->child, SIGKILL);
    while (ended == 0 && (ended = waitpid(s->child, &status, 0)) < 0 && errno == EINTR) ended = 0;
    close(s->line);
    s->child = 0;
    s->ending = false;
    return status;
}

/* Waits for the word of the child. 0: it has ended; -1: it takes too long. */
static int listen_to(sandbox *s) {
    struct pollfd wait = {.fd = s->line, .events = POLLIN};
    const double  most = s->config->timeout * 1000;
    char          word;
    int           ready;
    do ready = poll(&wait, 1, most < INT32_MAX ? (int)ceil(most) : -1);
    while (ready < 0 && errno == EINTR);
    if (ready == 0) return -1;
    if (read(s->line, &word, 1) == 1) return word;
    s->ending = true;
    return 0;
}

static bool give_up(sandbox *s, const char *what) {
    if (*s->trouble == '\0') snprintf(s->trouble, sizeof s->trouble, "%s", what);
    s->gave_up = true;
    return false;
}

static bool hear_that_it_is_ready(sandbox *s) {
    const int word = listen_to(s);
    if (word == READY) return s->loaded = true;
    const int   status = bury(s);
    char        text[SENTENCE];
    const char *name = option_shown(s->config->library);
    if (word == REFUSED) return give_up(s, s->shared->why);
    if (word < 0)
        snprintf(text, sizeof text, "%.800s was not loaded within %g s", name, s->config->timeout);
    else if (WIFSIGNALED(status))
        snprintf(text, sizeof text, "loading %.800s crashed (%s)", name,
                 signal_name(WTERMSIG(status)));
    else
        snprintf(text, sizeof text, "loading %.800s ended the program with status %d", name,
                 WEXITSTATUS(status));
    return give_up(s, text);
}

/* Neither end takes the number of a standard stream, should one of those be closed. */
static bool connect_ends(int ends[2]) {
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) != 0) return false;
    for (int k = 0; k < 2; k++) {
        const int low = ends[k];
        ends[k] = fcntl(low, F_DUPFD_CLOEXEC, STDERR_FILENO + 1);
        close(low);
    }
    if (ends[0] >= 0 && ends[1] >= 0) return true;
    close(ends[0]), close(ends[1]);
    return false;
}

static bool start(sandbox *s) {
    int ends[2];
    if (!connect_ends(ends)) return give_up(s, "there is no connection to a process of its own");
    const pid_t parent = getpid();
    fflush(NULL);
    s->shared->fault = 0;
    s->child = fork();
    if (s->child == 0) {
        close(ends[0]);
        settle_child(parent);
        seen = s->shared;
        watch_faults();
        serve(s, ends[1]);
    }
    close(ends[1]);
    s->line = ends[0];
    if (s->child > 0) return hear_that_it_is_ready(s);
    close(ends[0]);
    s->child = 0;
    return give_up(s, "there is no process for the function");
}

/* Sends the command. True: the results stand before s->end. */
static bool called(sandbox *s, char word, const double x[]) {
    const char *function = word == VALUE ? s->config->function : s->config->gradient;
    if (s->gave_up || (s->child == 0 && !start(s))) return false;
    memcpy(s->x, x, s->config->n * sizeof *x);
    for (size_t i = results_of(s->config, word); i > 0; i--) s->end[-(ptrdiff_t)i] = unwritten();
    const bool sent = send(s->line, &word, 1, MSG_NOSIGNAL) == 1;
    const int  said = sent ? listen_to(s) : 0;
    if (!sent) s->ending = true;
    if (said != DONE) {
        const int status = bury(s);
        if (said < 0) trouble(s, function, x, "", "did not return within %g s", s->config->timeout);
        else say_end(s, function, word, x, status);
        s->gave_up = said < 0 || ++s->ends >= MOST_ENDS;
        return false;
    }
    if (memcmp(s->x, x, s->config->n * sizeof *x) != 0)
        trouble(s, function, x, "", "wrote into its argument x");
    return true;
}

sandbox *sandbox_new(const sandbox_config *config) {
    sandbox *s = calloc(1, sizeof *s);
    if (s != NULL) s->config = config, s->memory = MAP_FAILED;
    if (s != NULL && make_memory(s)) return s;
    fputs("gradcheck: out of memory\n", stderr);
    sandbox_free(s);
    return NULL;
}

void sandbox_free(sandbox *s) {
    if (s == NULL) return;
    if (s->child > 0) bury(s);
    if (s->memory != MAP_FAILED) munmap(s->memory, s->length);
    free(s);
}

/* The results of the call, or NaN. */
static bool take(sandbox *s, char word, const double x[], double to[]) {
    const size_t  count = results_of(s->config, word);
    const bool    done = called(s, word, x);
    const double *out = s->end - count;
    for (size_t i = 0; i < count; i++) to[i] = done ? out[i] : NAN;
    for (size_t i = 0; i < count && done; i++) {
        if (!is_unwritten(to[i])) continue;
        trouble(s, word == VALUE ? s->config->function : s->config->gradient, x,
                ": entries are to be set, not added to", "left %s[%zu] as it was",
                results_name(s->config, word), i);
        return false;
    }
    return done;
}

bool sandbox_value(sandbox *s, const double x[], double y[]) {
    return take(s, VALUE, x, y);
}

/* Fortran has the entries of a column beside each other. */
bool sandbox_gradient(sandbox *s, const double x[], double gradient[]) {
    const size_t n = s->config->n, m = s->config->outputs;
    if (!take(s, GRADIENT, x, gradient)) return false;
    if (!s->config->fortran || m == 0) return true;
    const double *out = s->end - m * n;
    for (size_t i = 0; i < m; i++)
        for (size_t j = 0; j < n; j++) gradient[i * n + j] = out[j * m + i];
    return true;
}

/* clang-format off */
const char *sandbox_trouble(const sandbox *s) { return s->trouble; }
size_t sandbox_ends(const sandbox *s) { return s->ends; }
bool sandbox_loaded(const sandbox *s) { return s->loaded; }
bool sandbox_gave_up(const sandbox *s) { return s->gave_up; }
/* clang-format on */
