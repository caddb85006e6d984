/* program.c - what a program says: the names of its operations, and its last failure in a sentence.
 *
 * Several threads may run one program, and each may fail: the message is written and read under a
 * lock of its own, and everything else of a program stays as compile.c made it. */
#include "program/program.h"

#include "base/text.h"

#include <stdarg.h>

const char *ad__value_name(const ad_program *p, uint32_t value) {
    const ad__node *node = &p->node[value];
    switch (node->code) {
    case AD__CONSTANT: return "constant";
    case AD__PARAM: return "param";
    case AD__ROW_INPUT: return "input";
    case AD__LAYER_DOT: return "dot";
    case AD__custom: return ad__own_op_in(p, node)->op->name;
    default: return ad__code_name(node->code);
    }
}

static void lock_message(ad_program *p) {
    while (atomic_flag_test_and_set(&p->message_lock)) {
    }
}

ad_status ad__program_refuse(const ad_program *program, ad_status status, const char *format, ...) {
    ad_program *p = (ad_program *)(uintptr_t)program; /* the message is no part of its value */
    char        text[AD__MESSAGE] = "";
    va_list     arguments;
    va_start(arguments, format);
    ad__sentence(sizeof text, text, format, arguments);
    va_end(arguments);
    lock_message(p);
    memcpy(p->message, text, sizeof text);
    atomic_flag_clear(&p->message_lock);
    return status;
}

size_t ad_program_message(const ad_program *program, size_t room, char text[]) {
    if (room > 0 && text != NULL) *text = '\0';
    if (program == NULL) return 0;
    ad_program *p = (ad_program *)(uintptr_t)program;
    lock_message(p);
    const size_t length = strlen(p->message);
    if (room > 0 && text != NULL && (size_t)snprintf(text, room, "%s", p->message) >= room)
        ad__end_whole(text);
    atomic_flag_clear(&p->message_lock);
    return length;
}
