/* backup (api.h). */
#ifndef PENSTOCK_API_CALL_BACKUP_H
#define PENSTOCK_API_CALL_BACKUP_H

struct api;
struct api_call;

void call_backup(struct api_call *call);
/* The daemon stops: a backup that is under way ends. */
void backup_stop(struct api *api);

#endif
