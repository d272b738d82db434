/* The picture of a model, as lines of text: for a terminal of some size, or for a pipe. */
#ifndef PENSTOCK_CTL_TOP_LAYOUT_H
#define PENSTOCK_CTL_TOP_LAYOUT_H

#include "ctl/top_page.h"

void top_page_deinit(struct top_page *page); /* takes a zeroed one */

/* Draws the model anew, and sets right what of the look does not fit it. Without memory the page is
 * shorter. */
void top_lay(const struct top_model *m, struct top_look *look, struct top_page *page);

#endif
