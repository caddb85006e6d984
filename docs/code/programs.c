/* programs.c - the code of programs.md: a small model compiled, run over four rows, and shown. */
#include "engine/ad.h"

#include <math.h>
#include <stdio.h>

enum { ROWS = 4 };

/* y = tanh(w0*x0 + w1*x1 + b), the loss (y - target)^2. */
static ad_program *compiled(void) {
    ad_tape *tape = ad_tape_new();
    ad_var   w[3], x[3];
    for (int i = 0; i < 3; i++) w[i] = ad_input(tape, 0.5);
    for (int i = 0; i < 3; i++) x[i] = ad_input(tape, 0);

    ad_var y = ad_tanh(ad_add(ad_add(ad_mul(w[0], x[0]), ad_mul(w[1], x[1])), w[2]));
    ad_var error = ad_sub(y, x[2]);
    ad_var outputs[] = {ad_mul(error, error), y};

    ad_program *p = ad_compile(&(ad_interface){
        .params = 3, .param = w,             /* shared by all rows */
        .inputs = 3, .input = x,             /* one set a row */
        .outputs = 2, .output = outputs,
        .active = 2,                         /* the Jacobian is in x0 and x1, not in the target */
    });
    if (p == NULL) fprintf(stderr, "%s\n", ad_tape_message(tape));
    ad_tape_free(tape);                      /* the program does not need it any more */
    return p;
}

static int use(const ad_program *p) {
    const double param[] = {0.1, -0.2, 0.3};
    const double input[ROWS*3] = {0, 0, 1,   0, 1, 0,   1, 0, 0,   1, 1, 1};
    double       mean, grad[3], output[ROWS*2], jacobian[ROWS*2*2];

    if (ad_program_gradient(p, param, ROWS, input, &mean, grad) != AD_OK ||    /* mean of output 0 */
        ad_program_values(p, param, ROWS, input, output) != AD_OK ||           /* rows x outputs */
        ad_program_jacobian(p, param, ROWS, input, jacobian) != AD_OK) {       /* rows x outputs x active */
        char text[200];
        ad_program_message(p, sizeof text, text);
        fprintf(stderr, "%s\n", text);
        return 1;
    }
    printf("loss %g, gradient %g %g %g\n", mean, grad[0], grad[1], grad[2]);

    double sum = 0;
    for (int r = 0; r < ROWS; r++) sum += output[2*r];
    return fabs(sum/ROWS - mean) > 1e-15;
}

int main(void) {
    ad_program *p = compiled();
    if (p == NULL) return 1;
    const int wrong = use(p);
    const int unwritten = ad_program_print(p, stdout) != AD_OK;
    ad_program_free(p);
    return wrong || unwritten;
}
