/* What can stand next on the command line: for the completions of shells (config/completions),
 * which only show it. */
#ifndef PENSTOCK_CTL_COMPLETE_H
#define PENSTOCK_CTL_COMPLETE_H

/* `words` are those behind the program's name, the last of which is being typed and may be empty.
 * Prints a candidate a line, with a description behind a tab where there is one, and in the last
 * line what the shell is to offer besides:
 *
 *   :none        nothing
 *   :files       files
 *   :command N   a command and its arguments, of which word N (from 0) is the first
 *
 * A daemon that does not answer within a second has no candidates. */
int complete_print(int count, char *const *words);

#endif
