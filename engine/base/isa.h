/* isa.h - which instruction set the vector files may use on this machine. */
#ifndef TAPIR_ISA_H
#define TAPIR_ISA_H

/* 2, 3 or 4 for x86-64-v2, -v3, -v4; 0 for the plain build. TAPIR_ISA=v2, v3 or v4 in the
 * environment asks for a level; one that the machine does not support is lowered to the best that
 * it does. */
int ad__isa_level(void);

#endif
