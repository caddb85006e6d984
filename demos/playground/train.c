/* train.c - training, live. */
#include "play.h"

void play_train(const play_request *r, FILE *to) {
    (void)r;
    play_write_error("no training yet", to);
}
