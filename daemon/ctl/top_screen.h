/* The terminal that `top` draws on. Whatever ends the process, the terminal is as it was before,
 * but for SIGKILL: signals are read from a descriptor (signalfd), so that none ends it in the
 * middle of a line. */
#ifndef PENSTOCK_CTL_TOP_SCREEN_H
#define PENSTOCK_CTL_TOP_SCREEN_H

#include "ctl/top_layout.h"

enum top_key {
    TOP_NO_KEY,
    TOP_QUIT,
    TOP_SORT,
    TOP_FREEZE,
    TOP_HELP,
    TOP_UP,
    TOP_DOWN,
    TOP_PAGE_UP,
    TOP_PAGE_DOWN,
    TOP_HOME,
    TOP_END,
    TOP_ENTER,
    TOP_ESCAPE,
    TOP_CANCEL,
    TOP_HOLD,
    TOP_FILTER,
    TOP_TAB,
    TOP_TAB_BACK,
    TOP_YES,
    TOP_ERASE,
    TOP_OTHER, /* while text is typed: any character */
};

/* Can this process draw: are standard input and output a terminal that can place its cursor? */
bool top_screen_possible(void);

/* Takes the terminal. 0; -ENOTTY: it can't do what is needed; or another negative errno. */
int top_screen_open(void);
/* Gives it back; may be called more than once. */
void top_screen_close(void);

/* Readable when a signal has come: top_screen_signal. */
int top_screen_signal_fd(void);
/* Deals with those that are there: a changed size, and Ctrl-Z, from which it returns once the
 * process goes on. 0, or the number of the signal that asks to end. */
int top_screen_signal(void);
/* Closes, and ends the process by this signal. */
_Noreturn void top_screen_die(int signal);

void top_screen_size(size_t *ret_columns, size_t *ret_lines);
void top_screen_draw(const struct top_page *page);
/* What was pressed, one after another; TOP_NO_KEY: that was all. While text is typed, letters are
 * TOP_OTHER, and *ret_byte is the byte that was typed. */
enum top_key top_screen_key(bool typing, char *ret_byte);

#endif
