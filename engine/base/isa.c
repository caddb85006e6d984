/* isa.c - the level of the machine, and the kernels built for it. Features are queried one by one,
 * by names that gcc and clang both know. */
#include "base/isa.h"

#include "base/vector.h"

#include <stdlib.h>
#include <string.h>

#ifdef AD__ISA_LEVELS
static int best_level(void) {
    __builtin_cpu_init();
    if (!__builtin_cpu_supports("sse4.2") || !__builtin_cpu_supports("popcnt")) return 0;
    if (!__builtin_cpu_supports("avx2") || !__builtin_cpu_supports("fma") ||
        !__builtin_cpu_supports("bmi2"))
        return 2;
    if (!__builtin_cpu_supports("avx512f") || !__builtin_cpu_supports("avx512dq") ||
        !__builtin_cpu_supports("avx512vl") || !__builtin_cpu_supports("avx512bw"))
        return 3;
    return 4;
}

int ad__isa_level(void) {
    const int   best = best_level();
    const char *name = getenv("TAPIR_ISA");
    if (name != NULL && strcmp(name, "base") == 0) return 0;
    if (name == NULL || name[0] != 'v' || strlen(name) != 2 || name[1] < '2' || name[1] > '4')
        return best;
    return name[1] - '0' < best ? name[1] - '0' : best;
}
#else
int ad__isa_level(void) {
    return 0;
}
#endif

const ad__vector *ad__vector_choose(void) {
    switch (ad__isa_level()) {
#ifdef AD__ISA_LEVELS
    case 2: return &ad__vector_v2;
    case 3: return &ad__vector_v3;
    case 4: return &ad__vector_v4;
#endif
    default: return &ad__vector_base;
    }
}
