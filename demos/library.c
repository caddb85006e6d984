/* library.c - what a shared object is, before it is loaded, and which functions it has.
 *
 * The loader's own words are about its search, not about the file: it does not find a file of
 * another machine that is there. So the head of the file is read first, and compared with that of
 * the program itself. Which functions there are is read from the table of symbols in memory. */
#include "library.h"

#include "engine/base/suggest.h"
#include "options.h"

#include <ctype.h>
#include <dlfcn.h>
#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <link.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { PATH = 4096, LISTED = 8 };

/* ---- the file -------------------------------------------------------------------------------- */

/* What files of every class and order of bytes begin with. */
typedef struct head {
    unsigned char ident[EI_NIDENT], type[2], machine[2];
} head;

static unsigned half(const head *h, const unsigned char at[2]) {
    return h->ident[EI_DATA] == ELFDATA2MSB ? at[0] * 256u + at[1] : at[1] * 256u + at[0];
}

static bool read_head(const char *path, head *h, ssize_t *got) {
    memset(h, 0, sizeof *h);
    const int file = open(path, O_RDONLY | O_CLOEXEC);
    if (file < 0) return false;
    *got = read(file, h, sizeof *h);
    const int error = errno;
    close(file);
    errno = error;
    return *got >= 0;
}

static const char *machine_name(unsigned machine) {
    switch (machine) {
    case EM_386: return "i386";
    case EM_X86_64: return "x86-64";
    case EM_ARM: return "ARM";
    case EM_AARCH64: return "AArch64";
    case EM_S390: return "S/390";
    case EM_PPC64: return "PowerPC64";
    case EM_RISCV: return "RISC-V";
    default: return "an unknown machine";
    }
}

static bool refuse(char why[LIBRARY_WHY], const char *path, const char *what) {
    snprintf(why, LIBRARY_WHY, "%.800s %s", option_shown(path), what);
    return false;
}

static bool refuse_file(char why[LIBRARY_WHY], const char *path) {
    snprintf(why, LIBRARY_WHY, "%.800s cannot be read: %s", option_shown(path), strerror(errno));
    return false;
}

static bool of_this_machine(const char *path, const head *h, char why[LIBRARY_WHY]) {
    head    own;
    ssize_t got;
    char    what[160];
    if (!read_head("/proc/self/exe", &own, &got) || got < (ssize_t)sizeof own) return true;
    if (memcmp(h->ident, own.ident, EI_DATA + 1) == 0 &&
        half(h, h->machine) == half(&own, own.machine))
        return true;
    snprintf(what, sizeof what, "is for %s (%d bits), and this program for %s (%d bits)",
             machine_name(half(h, h->machine)), h->ident[EI_CLASS] == ELFCLASS32 ? 32 : 64,
             machine_name(half(&own, own.machine)), own.ident[EI_CLASS] == ELFCLASS32 ? 32 : 64);
    return refuse(why, path, what);
}

static bool is_library(const char *path, char why[LIBRARY_WHY]) {
    struct stat is;
    head        h;
    ssize_t     got;
    if (stat(path, &is) != 0) return refuse_file(why, path);
    if (S_ISDIR(is.st_mode)) return refuse(why, path, "is a folder");
    if (!S_ISREG(is.st_mode)) return refuse(why, path, "is not a regular file");
    if (!read_head(path, &h, &got)) return refuse_file(why, path);
    if (memcmp(h.ident, "!<arch>\n", 8) == 0)
        return refuse(why, path, "is a static library: link its objects by cc -shared");
    if (got < (ssize_t)sizeof h || memcmp(h.ident, ELFMAG, SELFMAG) != 0)
        return refuse(why, path, "is no shared library: cc -shared -fPIC -o f.so f.c makes one");
    if (half(&h, h.type) == ET_REL)
        return refuse(why, path, "is an object file: cc -shared -o f.so f.o makes a library of it");
    return of_this_machine(path, &h, why);
}

void *library_load(const char *path, char why[LIBRARY_WHY]) {
    char       here[PATH];
    const bool bare = strchr(path, '/') == NULL, present = access(path, F_OK) == 0;
    if (strlen(path) + 3 > sizeof here) return refuse(why, path, "is too long"), NULL;
    snprintf(here, sizeof here, "%s%s", bare && present ? "./" : "", path);
    if ((present || !bare) && !is_library(here, why)) return NULL;
    void *library = dlopen(here, RTLD_NOW | RTLD_LOCAL);
    if (library != NULL) return library;
    const char *error = dlerror();
    snprintf(why, LIBRARY_WHY, "%.300s cannot be loaded%s: %.500s", option_shown(path),
             present || !bare ? "" : ": it is not in the current folder, and the loader says",
             option_shown(error != NULL ? error : "no reason"));
    return NULL;
}

/* ---- its functions --------------------------------------------------------------------------- */

typedef struct symbols {
    const ElfW(Sym) * symbol;
    const char *text;
    size_t      count;
} symbols;

/* Of a table that has no count: the last bucket's chain ends with the last symbol. */
static size_t count_by_hash(const uint32_t *hash) {
    const uint32_t *bucket = hash + 4 + hash[2] * (sizeof(ElfW(Addr)) / 4),
                   *chain = bucket + hash[0];
    size_t last = 0;
    for (uint32_t i = 0; i < hash[0]; i++)
        if (bucket[i] > last) last = bucket[i];
    if (last < hash[1]) return 0;
    while ((chain[last - hash[1]] & 1) == 0) last++;
    return last + 1;
}

/* Some systems leave the addresses in this section as they are in the file. */
static const void *at(const struct link_map *map, ElfW(Addr) address) {
    return (const void *)(address < map->l_addr ? address + map->l_addr : address);
}

static symbols symbols_of(void *library) {
    symbols          s = {NULL, NULL, 0};
    struct link_map *map = NULL;
    if (dlinfo(library, RTLD_DI_LINKMAP, &map) != 0 || map == NULL) return s;
    for (const ElfW(Dyn) *d = map->l_ld; d->d_tag != DT_NULL; d++) {
        if (d->d_tag == DT_SYMTAB) s.symbol = at(map, d->d_un.d_ptr);
        if (d->d_tag == DT_STRTAB) s.text = at(map, d->d_un.d_ptr);
        if (d->d_tag == DT_HASH) s.count = ((const uint32_t *)at(map, d->d_un.d_ptr))[1];
        if (d->d_tag == DT_GNU_HASH && s.count == 0)
            s.count = count_by_hash(at(map, d->d_un.d_ptr));
    }
    if (s.symbol == NULL || s.text == NULL) s.count = 0;
    return s;
}

/* The name of the symbol, if it is defined here and of that type. */
static const char *name_of(const symbols *s, size_t i, unsigned type) {
    const ElfW(Sym) *symbol = &s->symbol[i];
    const unsigned is = symbol->st_info & 15u, binding = symbol->st_info >> 4;
    const bool     ours = symbol->st_shndx != SHN_UNDEF && binding != STB_LOCAL;
    if (!ours || (is != type && !(type == STT_FUNC && is == STT_GNU_IFUNC))) return NULL;
    return s->text + symbol->st_name;
}

/* _Z3fooPKd is foo in C++, __m_MOD_foo is foo of the module m in Fortran. */
static bool is_mangled(const char *symbol, const char *name) {
    char         start[40];
    const size_t length = strlen(name), whole = strlen(symbol);
    snprintf(start, sizeof start, "_Z%zu", length);
    if (strncmp(symbol, start, strlen(start)) == 0)
        return strncmp(symbol + strlen(start), name, length) == 0;
    return strstr(symbol, "_MOD_") != NULL && whole > length + 5 &&
           strcmp(symbol + whole - length, name) == 0 &&
           strncmp(symbol + whole - length - 5, "_MOD_", 5) == 0;
}

/* What was meant, or what there is. */
static void say_what_there_is(const symbols *s, const char *name, size_t room, char text[]) {
    ad__nearest near = {.word = name, .length = strlen(name)};
    const char *listed[LISTED], *one;
    size_t      count = 0;
    for (size_t i = 0; i < s->count; i++) {
        if ((one = name_of(s, i, STT_FUNC)) == NULL) continue;
        if (is_mangled(one, name)) {
            snprintf(text, room,
                     one[1] == 'Z' ? "; it has %.200s: in C++ declare it extern \"C\""
                                   : "; it has %.200s, of a module",
                     one);
            return;
        }
        ad__nearest_try(&near, one, strlen(one));
        if (count++ < LISTED) listed[count - 1] = one;
    }
    if (near.best != NULL) {
        snprintf(text, room, "; did you mean %.200s?", near.best);
        return;
    }
    size_t length =
        (size_t)snprintf(text, room, count > 0 ? "; its functions are" : "; it exports none");
    for (size_t i = 0; i < count && i < LISTED && length < room; i++)
        length +=
            (size_t)snprintf(text + length, room - length, "%s %.40s", i > 0 ? "," : "", listed[i]);
    if (count > LISTED && length < room)
        snprintf(text + length, room - length, ", and %zu more", count - LISTED);
}

static bool is_variable(const symbols *s, const char *name) {
    for (size_t i = 0; i < s->count; i++) {
        const char *one = name_of(s, i, STT_OBJECT);
        if (one != NULL && strcmp(one, name) == 0) return true;
    }
    return false;
}

void *library_function(void *library, const char *path, const char *name, bool fortran,
                       char why[LIBRARY_WHY]) {
    char          underscored[256], rest[600];
    const symbols s = symbols_of(library);
    void         *function = NULL;
    snprintf(underscored, sizeof underscored, "%s_", name);
    for (char *c = underscored; *c != '\0'; c++) *c = (char)tolower((unsigned char)*c);
    if (fortran) function = dlsym(library, underscored);
    if (function == NULL) function = dlsym(library, name);
    if (function != NULL && !is_variable(&s, name)) return function;
    if (function != NULL) snprintf(rest, sizeof rest, ": it is a variable there");
    else if (!fortran && dlsym(library, underscored) != NULL)
        snprintf(rest, sizeof rest, "; it has %.200s: a function of Fortran? (--fortran)",
                 underscored);
    else say_what_there_is(&s, name, sizeof rest, rest);
    snprintf(why, LIBRARY_WHY, "%.300s has no function %.100s%s", option_shown(path),
             option_shown(name), option_shown(rest));
    return NULL;
}
