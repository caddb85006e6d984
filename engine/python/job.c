/* job.c - a check that calls no Python for long, in a thread of its own, so that Ctrl-C ends it.
 *
 * The library cannot be stopped in the middle. The caller waits and looks for an interrupt twenty
 * times a second; then it leaves the job to its thread, which frees what it holds when it is done.
 * Until then the tape belongs to that thread. */
#include "core.h"

#include <pthread.h>
#include <stdlib.h>
#include <time.h>

typedef struct shared {
    py_job           job;
    ad_check_report *report;
    pthread_mutex_t  lock;
    pthread_cond_t   ended;
    bool             done, left;
} shared;

static void forget(shared *s) {
    pthread_cond_destroy(&s->ended);
    pthread_mutex_destroy(&s->lock);
    free(s);
}

static void release(shared *s) {
    if (s->job.tape != NULL) py_tape_leave(s->job.tape);
    s->job.release(s->job.data);
}

static void *work(void *context) {
    shared *s = context;
    if (s->job.tape != NULL) s->job.tape->owner = PyThread_get_thread_ident();
    s->report = s->job.run(s->job.data);
    pthread_mutex_lock(&s->lock);
    s->done = true;
    const bool left = s->left;
    pthread_cond_signal(&s->ended);
    pthread_mutex_unlock(&s->lock);
    if (!left) return NULL;
    const PyGILState_STATE state = PyGILState_Ensure();
    ad_check_free(s->report);
    release(s);
    PyErr_Clear();
    PyGILState_Release(state);
    forget(s);
    return NULL;
}

/* True when the job is done, or not after a twentieth of a second. */
static bool wait_a_little(shared *s) {
    struct timespec until;
    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_nsec += 50 * 1000 * 1000;
    if (until.tv_nsec >= 1000000000) until.tv_nsec -= 1000000000, until.tv_sec++;
    PyThreadState *const thread = PyEval_SaveThread();
    pthread_mutex_lock(&s->lock);
    if (!s->done) pthread_cond_timedwait(&s->ended, &s->lock, &until);
    const bool done = s->done;
    pthread_mutex_unlock(&s->lock);
    PyEval_RestoreThread(thread);
    return done;
}

/* False where it is done already. */
static bool leave_it(shared *s) {
    pthread_mutex_lock(&s->lock);
    s->left = !s->done;
    const bool left = s->left;
    pthread_mutex_unlock(&s->lock);
    return left;
}

static ad_check_report *in_this_thread(shared *s) {
    PyThreadState *const   thread = PyEval_SaveThread();
    ad_check_report *const report = s->job.run(s->job.data);
    PyEval_RestoreThread(thread);
    return report;
}

bool py_job_run(const py_job *job, ad_check_report **report) {
    shared *s = calloc(1, sizeof *s);
    *report = NULL;
    if (s == NULL) {
        job->release(job->data);
        return PyErr_NoMemory() != NULL;
    }
    s->job = *job;
    pthread_mutex_init(&s->lock, NULL);
    pthread_cond_init(&s->ended, NULL);
    if (job->tape != NULL) py_tape_enter(job->tape);
    pthread_t  thread;
    const bool alone = pthread_create(&thread, NULL, work, s) != 0;
    if (alone) s->report = in_this_thread(s);
    while (!alone && !wait_a_little(s)) {
        if (PyErr_CheckSignals() == 0 || !leave_it(s)) continue;
        pthread_detach(thread);
        return false;
    }
    if (!alone) pthread_join(thread, NULL);
    *report = s->report;
    release(s);
    forget(s);
    if (!PyErr_Occurred()) return true;
    ad_check_free(*report);
    return false;
}
