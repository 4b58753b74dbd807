/* onednn.h -- the opened library, for the files that call it. */
#ifndef TN_CPU_ONEDNN_H
#define TN_CPU_ONEDNN_H

/* Its handle if its major version is this one, else NULL. Opened at the first call. */
void *tn__onednn_library(int major);
/* From here on oneDNN uses the calling thread alone; the value goes to tn__onednn_together. */
int tn__onednn_alone(void);
void tn__onednn_together(int before);
/* Frees what is kept for later calls; no other thread may be inside of the library. */
void tn__onednn_forget(void);

#endif
