/* fleet and fleet_evict: the daemons that share the store. */
#ifndef PENSTOCK_API_CALL_FLEET_H
#define PENSTOCK_API_CALL_FLEET_H

struct api_call;

void call_fleet(struct api_call *call);
void call_evict(struct api_call *call);

#endif
