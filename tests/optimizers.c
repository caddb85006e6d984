/* optimizers.c - three steps of every optimizer and setting, to the last digits.
 *
 * The numbers come from optimizer_reference.py, which computes network, gradient and steps with 50
 * digits from PyTorch's documentation and knows nothing of the library. */
#include "support.h"

#include "nn/nn.h"

#include "expect.h"
#include <math.h>
#include <string.h>

enum { PARAMS = 13, STEPS = 3 };

typedef struct row_of_table {
    const char *name;
    double      param[PARAMS]; /* after three steps */
} row_of_table;

/* clang-format off */
static const row_of_table table[] = {
    {"sgd",
     {-0.37727151491596223138, -0.27836555255104932823, -0.016147865534233720179,
      0.54242131840485543108, -0.0062627820182447498340, -0.37113300518559246543,
      0.35428086990300038169, 0.41220151131608067526, 0.31962436968218440035,
      0.26246805265393151889, -0.52363809553713984199, -0.053203849139600783938,
      0.18424553545089739053}},
    {"sgd, weight decay",
     {-0.36772381079026309315, -0.27286840308112264328, -0.016980921659153065065,
      0.53146320967322931350, -0.0061774840835067243176, -0.36239643903900840112,
      0.34599146551190287894, 0.40247467686534310822, 0.31214576121523946803,
      0.25648912032459505502, -0.51302368214919015315, -0.050640388326828882409,
      0.17913236557548959903}},
    {"sgd, maximize",
     {-0.51977383328178298103, -0.27031328426021563639, 0.14607771598614323571,
      0.49224790992904147167, -0.017702404584278966727, -0.36427144236253810479,
      0.67117464954201762453, 0.11453979487418085958, 0.34024142783946216603,
      0.85359595506765480900, -0.24044624701416877673, 0.20282410285200811684,
      1.1864832913513137090}},
    {"sgd, momentum",
     {-0.32352918799822562822, -0.29675197777729092454, -0.083317740616512464268,
      0.57825579086032629940, -0.0097096082479032886269, -0.36762477292454233772,
      0.26848320362497373539, 0.49801211990189984025, 0.32124543941136102156,
      0.094762539157463382285, -0.64396772849969420819, -0.10662868385489398345,
      -0.10736977835102141556}},
    {"sgd, momentum, dampening",
     {-0.33442855197817918019, -0.28847765979575306662, -0.065167992202798333578,
      0.56066204554231966096, -0.0073488109322673823175, -0.36963156165765329595,
      0.27830796227897666810, 0.48801057386886362116, 0.31947502644933482161,
      0.11623223880908834200, -0.61223055440368033910, -0.10811039290466685352,
      -0.068705728459979301101}},
    {"sgd, momentum, dampening, weight decay, maximize",
     {-0.56017770699632554699, -0.26106290437672587748, 0.19332946446100119463,
      0.47492535575178248827, -0.018764748103638195083, -0.35908197820846643674,
      0.75629213896407284339, 0.023075225308140119434, 0.33827374931346986076,
      1.0207438378786743593, -0.14716010701579482424, 0.27520902670001814872,
      1.4797219519374699565}},
    {"sgd, Nesterov",
     {-0.30530324482490966795, -0.32056371570423184524, -0.13615737099555516336,
      0.66816165181439374492, -0.017045775685940198145, -0.35767783914557306056,
      0.26867988996102402263, 0.46265488413304661241, 0.32056224589549219692,
      0.10709232877782963801, -0.71829721500458847725, -0.045155753360591309345,
      -0.073617138146731967708}},
    {"sgd, Nesterov, weight decay",
     {-0.28188970734644221165, -0.30492884210379716772, -0.13778500703716331123,
      0.63978501804381716184, -0.016968267278186057463, -0.33469659843652877740,
      0.24781979798553937816, 0.43618294757360342454, 0.30094416290359055351,
      0.093293787861711891857, -0.68952469753604900933, -0.038019629871562102132,
      -0.079832562102016496328}},
    {"adam",
     {-0.25246926262169270108, -0.43677492042762891772, -0.12291901158582292962,
      0.68767735550991870777, -0.099770637633685617717, -0.27581876941189764459,
      0.25510057845566505496, 0.49614940773355701663, 0.41248319335814746427,
      0.25791695407553128615, -0.56241123691420424194, -0.18357214379383425990,
      0.31662602910575449472}},
    {"adam, weight decay",
     {-0.25301554060897064408, -0.43680793728325631856, -0.12185035546276943801,
      0.68799419645375382902, -0.10502984199826000209, -0.18737719447280024595,
      0.25555348219490242079, 0.49483171867975096237, 0.32814526700064122161,
      0.25865315979155138588, -0.56223673485352865346, -0.17890910143540526105,
      0.31713412551123993855}},
    {"adam, amsgrad",
     {0.075578038771402907474, -0.89266732242440946573, -0.50561118182074572556,
      1.1763229542755663034, -0.15779448673170794234, -0.072302867720106447642,
      -0.036877029040672007068, 0.71843482166030938017, 0.38378175464652918178,
      0.0027154674590819639296, -0.94201231531159629386, -0.29840352326094997495,
      0.067446742834216910639}},
    {"adam, maximize, epsilon",
     {-0.55800219451162650416, -0.25542945992340232178, 0.18315924579070484812,
      0.47241215395812185081, -0.042985559084991416677, -0.36078390692198494357,
      0.59269542518683527222, 0.16325700396211635482, 0.37369584496733489172,
      0.61218457192243478190, -0.24413092599996613507, 0.15256496852221732603,
      0.68138555748005941106}},
    {"adamw",
     {-0.25177081623771192433, -0.43616904701944004256, -0.12292505824270935725,
      0.68660309168587181805, -0.099741869418404820961, -0.27515452003430323813,
      0.25442885539313830874, 0.49541639017323313824, 0.41187206946558089768,
      0.25726332438884704729, -0.56159082121235288086, -0.18339780054526575120,
      0.31582887450635643177}},
    {"adamw, weight decay, amsgrad",
     {0.085723238783842998589, -0.87299404734229528948, -0.50514886913181524902,
      1.1456601312845778268, -0.17050263806812224878, -0.039251811871589592881,
      -0.045531428127788753180, 0.68570296895537376985, 0.36389552779587283731,
      -0.00093448873206192106465, -0.92389184872637266629, -0.28049750384579007643,
      0.058813505758722477248}},
    {"adamw, maximize",
     {-0.61932699269787823064, -0.15546085925593429719, 0.24867416117737409709,
      0.30953820755428561708, -0.097639330403959766370, -0.27202192238575496505,
      0.61920937775803661100, 0.12184896103232189875, 0.40618505498492402871,
      0.61869914161461366586, -0.18782051552232086433, 0.18559318524682440298,
      0.68103396342837523241}},
    {"rmsprop",
     {0.29285052853508870074, -0.66198019163894879361, -0.90929466522066704117,
      1.7161018163117687738, 0.69600737208559676785, 0.080622331399146903739,
      -0.35054057946597530725, 0.49738727617625046079, -0.26475114704092321923,
      -0.10897204861979175170, -0.39973475550587254431, 0.11804459824009946190,
      0.10677393213628464659}},
    {"rmsprop, momentum, weight decay",
     {0.041618853225673051840, -0.69190473166131468155, -0.40748186502514487193,
      0.90679322475388131403, -0.24847837847225943265, 0.20517776857475405782,
      -0.018127312387999833280, 0.75218774223139819770, 0.20763297022770009851,
      0.0096726090554568525212, -0.88217478810813496143, -0.39219684952532751949,
      0.036134596612574322879}},
    {"rmsprop, centered",
     {-0.29901698161279284047, -0.32952304259335642560, -0.10397316829881463828,
      0.60715061415463295220, -0.038739143546592434058, -0.35092088896823370193,
      0.28477366755703822303, 0.48395205172536758348, 0.35728324854156995298,
      0.24509149819977124696, -0.61249223157059038877, -0.11909370971857186489,
      0.25717730067285618831}},
    {"rmsprop, centered, momentum, maximize",
     {-0.76957911023173949027, -0.31469091309941063769, 0.38522953863286931645,
      0.45847592611956857298, -0.12233495793124093879, -0.35032493372508428131,
      0.95140739863106985331, -0.14661690395565093105, 0.48834833855556935827,
      1.0608352374938948320, -0.068291147956051551512, 0.48970783114653708802,
      1.1772478623343341854}},
    {"adagrad",
     {-0.20853749050583576644, -0.53374261320312787915, -0.17119155188718499736,
      0.77728432852300196645, -0.19684842980275493073, -0.18115626853683681985,
      0.22816470017497641821, 0.53053983808127427955, 0.51099909586365542438,
      0.25139863579744046802, -0.64069984462181107649, -0.23066701705359582506,
      0.28137986065076254136}},
    {"adagrad, decays",
     {-0.22946113987581604579, -0.46865070470605723124, -0.14290172440567960836,
      0.64533893473541041243, -0.14510992942450383212, -0.12199295595860240905,
      0.24157104665996751976, 0.50885400237081884944, 0.33054134505472047735,
      0.25765728281077500052, -0.60575845022575662190, -0.18352162088058071461,
      0.29787538820230606674}},
    {"adagrad, initial accumulator, maximize",
     {-0.54985044970121014544, -0.27010696683304831430, 0.17040136204854770431,
      0.49599411645207423520, -0.027611876134249596659, -0.36986177218713600506,
      0.64512247800687108495, 0.12650215892945716391, 0.36246935954788768607,
      0.70480205644352798510, -0.23350259098622408564, 0.19170491644940461943,
      0.79136699535285580457}},
};
/* clang-format on */

#define SGD(...)     nn_sgd_new(&(nn_sgd_config){__VA_ARGS__})
#define ADAM(...)    nn_adam_new(&(nn_adam_config){__VA_ARGS__})
#define ADAMW(...)   nn_adamw_new(&(nn_adam_config){__VA_ARGS__})
#define RMSPROP(...) nn_rmsprop_new(&(nn_rmsprop_config){__VA_ARGS__})
#define ADAGRAD(...) nn_adagrad_new(&(nn_adagrad_config){__VA_ARGS__})

/* The case of that number, as the table names it. */
static nn_optimizer *make(size_t i) {
    nn_rmsprop_config usual = nn_rmsprop_usual(0.0625);
    nn_adagrad_config adagrad = nn_adagrad_usual(0.125);
    switch (i) {
    case 0: return nn_sgd(0.125);
    case 1: return SGD(.rate = 0.125, .weight_decay = 0.0625);
    case 2: return SGD(.rate = 0.125, .weight_decay = 0.0625, .maximize = true);
    case 3: return SGD(.rate = 0.125, .momentum = 0.875);
    case 4: return SGD(.rate = 0.125, .momentum = 0.875, .dampening = 0.25);
    case 5:
        return SGD(.rate = 0.125, .momentum = 0.875, .dampening = 0.25, .weight_decay = 0.0625,
                   .maximize = true);
    case 6: return SGD(.rate = 0.125, .momentum = 0.875, .nesterov = true);
    case 7: return SGD(.rate = 0.125, .momentum = 0.875, .weight_decay = 0.0625, .nesterov = true);
    case 8: return nn_adam(0.0625);
    case 9:
        return ADAM(.rate = 0.0625, .beta1 = 0.75, .beta2 = 0.875, .epsilon = 1e-8,
                    .weight_decay = 0.0625);
    case 10:
        return ADAM(.rate = 0.25, .beta1 = 0.75, .beta2 = 0.5, .epsilon = 1e-8, .amsgrad = true);
    case 11:
        return ADAM(.rate = 0.0625, .beta1 = 0, .beta2 = 0.5, .epsilon = 0.125, .maximize = true);
    case 12: return nn_adamw(0.0625);
    case 13:
        return ADAMW(.rate = 0.25, .beta1 = 0.75, .beta2 = 0.5, .epsilon = 1e-8,
                     .weight_decay = 0.0625, .amsgrad = true);
    case 14:
        return ADAMW(.rate = 0.0625, .beta1 = 0.9, .beta2 = 0.999, .epsilon = 1e-8,
                     .weight_decay = 0.0625, .maximize = true);
    case 15: return nn_rmsprop_new(&usual);
    case 16:
        return RMSPROP(.rate = 0.0625, .alpha = 0.75, .epsilon = 1e-8, .momentum = 0.875,
                       .weight_decay = 0.0625);
    case 17: return RMSPROP(.rate = 0.0625, .alpha = 0.75, .epsilon = 0.125, .centered = true);
    case 18:
        return RMSPROP(.rate = 0.0625, .alpha = 0.75, .epsilon = 0.125, .momentum = 0.875,
                       .centered = true, .maximize = true);
    case 19: return nn_adagrad_new(&adagrad);
    case 20:
        return ADAGRAD(.rate = 0.125, .rate_decay = 0.25, .epsilon = 1e-10, .weight_decay = 0.0625);
    default:
        return ADAGRAD(.rate = 0.125, .epsilon = 1e-10, .initial_accumulator = 0.5,
                       .maximize = true);
    }
}

/* ---- the network: 2-3-1, tanh, then the identity; both examples in every step ---------------- */

typedef struct network {
    ad_tape  *tape;
    nn_model *model;
    nn_mlp   *mlp;
    nn_data  *data;
} network;

static network network_new(void) {
    network n = {.tape = ad_tape_new()};
    double  start[PARAMS];
    n.model = nn_model_new(n.tape, 1);
    n.mlp = nn_mlp_new(n.model, &(nn_mlp_config){.layers = 2, .sizes = (const size_t[]){2, 3, 1}});
    for (int k = 1; k <= PARAMS; k++) start[k - 1] = (k * k % 17 - 8) / 16.0;
    nn_model_set_values(n.model, start);
    n.data = nn_data_new(2, 2, 1, (const double[]){0.5, -1.25, 0.625, -0.75, 0.375, -0.5});
    return n;
}

static void network_free(network n) {
    nn_data_free(n.data);
    nn_mlp_free(n.mlp);
    nn_model_free(n.model);
    ad_tape_free(n.tape);
}

static ad_var loss(nn_model *model, size_t inputs, const ad_var x[], void *mlp) {
    (void)model, (void)inputs;
    ad_var y;
    nn_mlp_forward(mlp, x, &y);
    return nn_mse(1, &y, &x[2]);
}

static void train(network n, nn_optimizer *o, size_t steps, bool by_example) {
    cr_expect_eq(nn_train(n.model, loss, n.mlp, n.data, o,
                          &(nn_train_config){
                              .epochs = steps,
                              .batch = 2,
                              .by_example = by_example,
                          }),
                 AD_OK, "%s", nn_model_message(n.model));
}

Test(optimizers, three_steps_agree_with_pytorchs_equations_to_1e_12) {
    cr_assert_eq(sizeof table / sizeof *table, 22);
    for (size_t i = 0; i < 2 * 22; i++) {
        network       n = network_new();
        nn_optimizer *o = make(i / 2);
        double        got[PARAMS];
        train(n, o, STEPS, i % 2 == 1);
        nn_model_values(n.model, got);
        for (int k = 0; k < PARAMS; k++)
            cr_expect(close_to(got[k], table[i / 2].param[k], 1e-12, 0),
                      "%s, parameter %d: %.17g, not %.17g", table[i / 2].name, k, got[k],
                      table[i / 2].param[k]);
        nn_optimizer_free(o);
        network_free(n);
    }
}

Test(optimizers, name_is_that_of_pytorch) {
    for (size_t i = 0; i < 22; i++) {
        nn_optimizer *o = make(i);
        const char   *name = nn_optimizer_name(o);
        cr_expect(strncmp(table[i].name, name, strlen(name)) == 0 &&
                      strchr(", ", table[i].name[strlen(name)]) != NULL,
                  "%s is not %s", name, table[i].name);
        nn_optimizer_free(o);
    }
}

/* One step, its state carried over to a new optimizer of the same kind, and two more: the same
 * bits. */
Test(optimizers, state_carried_over_goes_on_as_if_nothing_had_happened) {
    for (size_t i = 0; i < 22; i++) {
        network       n = network_new(), m = network_new();
        nn_optimizer *whole = make(i), *first = make(i), *second = make(i);
        double        expected[PARAMS], got[PARAMS];
        train(n, whole, 3, false);
        train(m, first, 1, false);
        cr_expect_eq(nn_optimizer_prepare(second, PARAMS), AD_OK);
        cr_assert_eq(nn_optimizer_state_count(first), nn_optimizer_state_count(second));
        for (size_t k = 0; k < nn_optimizer_state_count(first); k++) {
            const nn_state from = nn_optimizer_state(first, k), to = nn_optimizer_state(second, k);
            cr_assert(from.count == to.count && strcmp(from.name, to.name) == 0);
            memcpy(to.value, from.value, from.count * sizeof *from.value);
        }
        train(m, second, 2, false);
        nn_model_values(n.model, expected);
        nn_model_values(m.model, got);
        for (int k = 0; k < PARAMS; k++)
            cr_expect(same_bits(got[k], expected[k]), "%s, parameter %d", table[i].name, k);
        nn_optimizer_free(whole);
        nn_optimizer_free(first);
        nn_optimizer_free(second);
        network_free(n);
        network_free(m);
    }
}

Test(optimizers, state_has_pytorchs_names) {
    nn_optimizer *o = make(10); /* adam with amsgrad */
    nn_optimizer_prepare(o, 4);
    const char *const names[] = {"steps", "rate", "exp_avg", "exp_avg_sq", "max_exp_avg_sq"};
    cr_assert_eq(nn_optimizer_state_count(o), 5);
    for (size_t k = 0; k < 5; k++) {
        cr_expect_str_eq(nn_optimizer_state(o, k).name, names[k]);
        cr_expect_eq(nn_optimizer_state(o, k).count, k < 2 ? 1 : 4);
    }
    cr_expect_null(nn_optimizer_state(o, 5).value);
    nn_optimizer_free(o);
}

Test(optimizers, another_number_of_parameters_is_refused) {
    nn_optimizer *o = nn_adam(0.1);
    double        p[3] = {1, 2, 3};
    cr_expect_eq(nn_optimizer_update(o, 2, p, (const double[]){1, 1}), AD_OK);
    const double kept = p[0];
    cr_expect_eq(nn_optimizer_update(o, 3, p, (const double[]){1, 1, 1}), AD_BAD_ARGUMENT);
    cr_expect(strstr(nn_optimizer_message(o), "2 parameters, not to 3") != NULL, "%s",
              nn_optimizer_message(o));
    cr_expect_eq(p[0], kept);
    nn_optimizer_free(o);
}

static void expect_refused(nn_optimizer *o, const char *words) {
    cr_expect_eq(nn_optimizer_status(o), AD_BAD_ARGUMENT, "%s", words);
    cr_expect(strstr(nn_optimizer_message(o), words) != NULL, "\"%s\" is not in \"%s\"", words,
              nn_optimizer_message(o));
    nn_optimizer_free(o);
}

Test(optimizers, numbers_out_of_their_range_are_refused) {
    expect_refused(nn_adam(INFINITY), "rate is inf");
    expect_refused(SGD(.rate = 0.1, .momentum = -1), "momentum is -1");
    expect_refused(SGD(.rate = 0.1, .weight_decay = NAN), "weight decay is");
    expect_refused(SGD(.rate = 0.1, .momentum = 0.5, .dampening = INFINITY), "dampening is inf");
    expect_refused(SGD(.rate = 0.1, .nesterov = true), "Nesterov");
    expect_refused(SGD(.rate = 0.1, .momentum = 0.5, .dampening = 0.5, .nesterov = true),
                   "Nesterov");
    expect_refused(ADAM(.rate = 0.1, .beta1 = 1, .beta2 = 0.9), "beta1 is 1");
    expect_refused(ADAM(.rate = 0.1, .beta1 = 0, .beta2 = -0.5), "beta2 is -0.5");
    expect_refused(ADAM(.rate = 0.1, .epsilon = -1), "epsilon is -1");
    expect_refused(RMSPROP(.rate = 0.1, .alpha = -1), "alpha is -1");
    expect_refused(ADAGRAD(.rate = 0.1, .rate_decay = -1), "decay of the rate is -1");
    expect_refused(ADAGRAD(.rate = 0.1, .initial_accumulator = NAN), "initial accumulator is");
    expect_refused(nn_sgd_new(NULL), "no configuration");
    expect_refused(nn_adamw_new(NULL), "no configuration");
}

/* ---- clipping -------------------------------------------------------------------------------- */

Test(optimizers, clipping_by_norm_shortens_long_gradients_alone) {
    double g[] = {3, -4};
    cr_expect_eq(nn_clip_norm(2, g, 10), 5);
    cr_expect(g[0] == 3 && g[1] == -4);
    cr_expect_eq(nn_clip_norm(2, g, 1), 5);
    cr_expect(close_to(g[0], 3 / (5 + 1e-6), 4 * U, 0) &&
              close_to(g[1], -4 / (5 + 1e-6), 4 * U, 0));
}

Test(optimizers, norm_neither_overflows_nor_vanishes) {
    double large[] = {3e200, -4e200}, small[] = {3e-200, 4e-200}, none[] = {0, 0};
    cr_expect(close_to(nn_clip_norm(2, large, 1), 5e200, 4 * U, 0));
    cr_expect(close_to(large[0], 0.6, 4 * U, 0));
    cr_expect(close_to(nn_clip_norm(2, small, 1), 5e-200, 4 * U, 0));
    cr_expect_eq(nn_clip_norm(2, none, 1), 0);
    cr_expect_eq(small[0], 3e-200);
}

Test(optimizers, clipping_by_value_cuts_each_and_leaves_nan) {
    double g[] = {3, -4, 0.5, NAN};
    nn_clip_value(4, g, 1);
    cr_expect(g[0] == 1 && g[1] == -1 && g[2] == 0.5 && isnan(g[3]));
}

/* A limit below 0 would turn the gradient round. */
Test(optimizers, clipping_to_less_than_nothing_is_refused) {
    const double limits[] = {-1, -INFINITY, -0x1p-1074, NAN};
    for (size_t k = 0; k < sizeof limits / sizeof *limits; k++) {
        double g[] = {3, -4, NAN, INFINITY};
        cr_expect(isnan(nn_clip_norm(2, g, limits[k])), "norm, %g", limits[k]);
        nn_clip_value(4, g, limits[k]);
        cr_expect(g[0] == 3 && g[1] == -4 && isnan(g[2]) && g[3] == INFINITY, "%g: %g, %g",
                  limits[k], g[0], g[1]);
    }
}

Test(optimizers, clipping_to_nothing_and_to_infinity) {
    double g[] = {3, -4};
    cr_expect_eq(nn_clip_norm(2, g, INFINITY), 5);
    nn_clip_value(2, g, INFINITY);
    cr_expect(g[0] == 3 && g[1] == -4);
    cr_expect_eq(nn_clip_norm(2, g, 0), 5);
    cr_expect(g[0] == 0 && g[1] == 0);
    g[0] = 3;
    nn_clip_value(2, g, 0);
    cr_expect_eq(g[0], 0);
}
