/* schedule.c - the learning rate as a function of the number of steps taken. Pure functions,
 * without state. */
#include "nn.h"
#include "text.h"

#include <math.h>

static const double pi = 3.141592653589793;

nn_schedule nn_schedule_constant(double rate) {
    return (nn_schedule){.shape = NN_CONSTANT, .rate = rate, .factor = 1, .steps = 1};
}

nn_schedule nn_schedule_step(double rate, size_t every, double factor) {
    return (nn_schedule){.shape = NN_STEP, .rate = rate, .factor = factor, .steps = every};
}

nn_schedule nn_schedule_exponential(double rate, double factor) {
    return (nn_schedule){.shape = NN_EXPONENTIAL, .rate = rate, .factor = factor, .steps = 1};
}

nn_schedule nn_schedule_linear(double rate, double last, size_t steps) {
    return (nn_schedule){
        .shape = NN_LINEAR, .rate = rate, .last = last, .factor = 1, .steps = steps};
}

nn_schedule nn_schedule_cosine(double rate, double last, size_t steps) {
    return (nn_schedule){
        .shape = NN_COSINE, .rate = rate, .last = last, .factor = 1, .steps = steps};
}

nn_schedule nn_schedule_warm_up(size_t steps, nn_schedule then) {
    then.warm_up = steps;
    return then;
}

double nn_schedule_rate(const nn_schedule *s, size_t step) {
    if (s == NULL || !nn_schedule_good(s)) return NAN;
    if (step < s->warm_up) return s->rate * (double)(step + 1) / (double)s->warm_up;
    const size_t t = step - s->warm_up;
    const double part = t < s->steps ? (double)t / (double)s->steps : 1;
    switch (s->shape) {
    case NN_STEP: return s->rate * pow(s->factor, (double)(t / s->steps));
    case NN_EXPONENTIAL: return s->rate * pow(s->factor, (double)t);
    case NN_LINEAR: return part < 1 ? s->rate + (s->last - s->rate) * part : s->last;
    case NN_COSINE:
        return part < 1 ? s->last + (s->rate - s->last) * (1 + cos(pi * part)) / 2 : s->last;
    default: return s->rate;
    }
}

bool nn_schedule_good(const nn_schedule *s) {
    return nn__all_zero(s->reserved, s + 1) && isfinite(s->rate) && s->rate > 0 &&
           isfinite(s->last) && s->last >= 0 && isfinite(s->factor) && s->factor > 0 &&
           s->steps > 0;
}
