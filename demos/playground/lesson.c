/* lesson.c - a network learns from an example: the numbers of both passes and of the step. */
#include "play.h"

void play_lesson(const play_request *r, FILE *to) {
    (void)r;
    play_write_error("no lesson yet", to);
}
