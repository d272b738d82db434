#include "ctl/top_screen.h"

#include <errno.h>
#include <ncurses.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/signalfd.h>
#include <unistd.h>

static const int ending[] = {SIGINT, SIGTERM, SIGHUP, SIGQUIT};

static struct {
    SCREEN *screen;
    int signals; /* signalfd */
    sigset_t before;
    bool open, colours;
} top = {.signals = -1};

bool top_screen_possible(void)
{
    const char *term = getenv("TERM");
    return isatty(STDIN_FILENO) && isatty(STDOUT_FILENO) && term && *term &&
           strcmp(term, "dumb") != 0;
}

static int catch_signals(void)
{
    sigset_t set;
    sigemptyset(&set);
    for (size_t i = 0; i < sizeof ending / sizeof *ending; i++)
        sigaddset(&set, ending[i]);
    sigaddset(&set, SIGWINCH);
    sigaddset(&set, SIGTSTP);
    sigaddset(&set, SIGCONT);
    sigprocmask(SIG_BLOCK, &set, &top.before);
    top.signals = signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC);
    return top.signals < 0 ? -errno : 0;
}

static void release_signals(void)
{
    if (top.signals >= 0)
        close(top.signals);
    top.signals = -1;
    sigprocmask(SIG_SETMASK, &top.before, NULL);
}

static void set_up(void)
{
    cbreak();
    noecho();
    nonl();
    keypad(stdscr, TRUE);
    nodelay(stdscr, TRUE);
    set_escdelay(25);
    curs_set(0);
    const char *no_color = getenv("NO_COLOR"); /* https://no-color.org: set and not empty */
    top.colours = !(no_color && *no_color) && has_colors() && start_color() == OK &&
                  use_default_colors() == OK;
    if (top.colours) {
        init_pair(TOP_BAD, COLOR_RED, -1);
        init_pair(TOP_WARN, COLOR_YELLOW, -1);
        init_pair(TOP_GOOD, COLOR_GREEN, -1);
    }
}

int top_screen_open(void)
{
    int r = catch_signals();
    if (r < 0)
        return r;
    top.screen = newterm(NULL, stdout, stdin);
    if (!top.screen || !tigetstr("cup") || tigetstr("cup") == (char *)-1) {
        top_screen_close();
        return -ENOTTY;
    }
    top.open = true;
    atexit(top_screen_close);
    set_up();
    return 0;
}

void top_screen_close(void)
{
    if (top.open)
        endwin();
    if (top.screen)
        delscreen(top.screen);
    top.screen = NULL;
    top.open = false;
    if (top.signals >= 0)
        release_signals();
}

_Noreturn void top_screen_die(int number)
{
    sigset_t set;
    top_screen_close();
    sigemptyset(&set);
    sigaddset(&set, number);
    signal(number, SIG_DFL);
    sigprocmask(SIG_UNBLOCK, &set, NULL);
    raise(number);
    _exit(128 + number);
}

int top_screen_signal_fd(void)
{
    return top.signals;
}

static void resize(void)
{
    struct winsize size;
    if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_row > 0 && size.ws_col > 0)
        resizeterm(size.ws_row, size.ws_col);
    clearok(stdscr, TRUE);
}

/* Comes back once somebody sends SIGCONT. */
static void stop(void)
{
    endwin();
    raise(SIGSTOP);
    resize(); /* it may have changed meanwhile; the next refresh takes the terminal again */
}

int top_screen_signal(void)
{
    struct signalfd_siginfo info;
    while (read(top.signals, &info, sizeof info) == (ssize_t)sizeof info) {
        if (info.ssi_signo == SIGTSTP)
            stop();
        else if (info.ssi_signo == SIGWINCH || info.ssi_signo == SIGCONT)
            resize();
        else
            return (int)info.ssi_signo;
    }
    return 0;
}

void top_screen_size(size_t *ret_columns, size_t *ret_lines)
{
    *ret_columns = (size_t)getmaxx(stdscr);
    *ret_lines = (size_t)getmaxy(stdscr);
}

static attr_t attributes(enum top_style style)
{
    static const attr_t of[TOP_STYLE_COUNT_] = {
        [TOP_TEXT] = A_NORMAL, [TOP_TITLE] = A_BOLD,  [TOP_HEAD] = A_REVERSE, [TOP_BAD] = A_BOLD,
        [TOP_DIM] = A_DIM,     [TOP_WARN] = A_NORMAL, [TOP_GOOD] = A_NORMAL};
    bool coloured = style == TOP_BAD || style == TOP_WARN || style == TOP_GOOD;
    return of[style] | (coloured && top.colours ? (attr_t)COLOR_PAIR(style) : 0);
}

void top_screen_draw(const struct top_page *page)
{
    erase();
    for (size_t i = 0; i < page->count && (int)i < getmaxy(stdscr); i++) {
        attr_t style = attributes(page->style[i]);
        if (i == page->selected)
            style = (style & ~(attr_t)A_DIM) | A_REVERSE;
        attron(style);
        mvaddstr((int)i, 0, top_page_line(page, i));
        for (int x = getcurx(stdscr); i == page->selected && x > 0 && x < getmaxx(stdscr); x++)
            addch(' ');
        attroff(style);
    }
    refresh();
}

enum top_key top_screen_key(bool typing, char *ret_byte)
{
    static const struct {
        int code;
        enum top_key key;
    } keys[] = {
        {'q', TOP_QUIT},        {'Q', TOP_QUIT},   {KEY_F(10), TOP_QUIT}, {'s', TOP_SORT},
        {KEY_F(6), TOP_SORT},   {' ', TOP_FREEZE}, {'h', TOP_HELP},       {'?', TOP_HELP},
        {KEY_F(1), TOP_HELP},   {'k', TOP_UP},     {'j', TOP_DOWN},       {'c', TOP_CANCEL},
        {KEY_F(9), TOP_CANCEL}, {'p', TOP_HOLD},   {'/', TOP_FILTER},     {KEY_F(4), TOP_FILTER},
        {'y', TOP_YES},         {'Y', TOP_YES},    {'G', TOP_END},        {'g', TOP_HOME},
    };
    static const struct {
        int code;
        enum top_key key;
    } always[] = {
        {KEY_UP, TOP_UP},           {KEY_DOWN, TOP_DOWN}, {KEY_PPAGE, TOP_PAGE_UP},
        {KEY_NPAGE, TOP_PAGE_DOWN}, {KEY_HOME, TOP_HOME}, {KEY_END, TOP_END},
        {'\r', TOP_ENTER},          {'\n', TOP_ENTER},    {KEY_ENTER, TOP_ENTER},
        {27, TOP_ESCAPE},           {'\t', TOP_TAB},      {KEY_BTAB, TOP_TAB_BACK},
        {KEY_BACKSPACE, TOP_ERASE}, {127, TOP_ERASE},     {'\b', TOP_ERASE},
    };
    int code;
    while ((code = getch()) != ERR) {
        for (size_t i = 0; i < sizeof always / sizeof *always; i++)
            if (always[i].code == code)
                return always[i].key;
        for (size_t i = 0; !typing && i < sizeof keys / sizeof *keys; i++)
            if (keys[i].code == code)
                return keys[i].key;
        *ret_byte = (char)code;
        if (!typing || (code >= 32 && code < 256))
            return TOP_OTHER;
    }
    return TOP_NO_KEY;
}
