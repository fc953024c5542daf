/* A varlink service of one connection, in a thread of its own, at a socket in a folder of its own.
 */
#pragma once

#include <pthread.h>
#include <stddef.h>

struct responder;

/* Answers on the connection, after the request has come; it is closed on return. */
typedef void responder_answer(struct responder *responder, int fd);

struct responder {
    responder_answer *answer;
    const char *bytes; /* for the answer */
    size_t length;

    char folder[32];
    char path[48];
    int listener;
    char request[4096]; /* what came, its NUL too */
    pthread_t thread;
};

/* Listens; with an answer it also serves. */
void responder_start(struct responder *responder);

/* Waits until it has served, and removes the socket. */
void responder_end(struct responder *responder);

/* Answers. */
void answer_whole(struct responder *responder, int fd);
void answer_in_pieces(struct responder *responder, int fd); /* each byte once the last was read */
void answer_silence(struct responder *responder, int fd);   /* until the other end closes */
void answer_drip(struct responder *responder, int fd);      /* a blank at a time, without end */
void answer_flood(struct responder *responder, int fd);     /* blanks without end */
