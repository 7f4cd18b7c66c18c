/* A driver's NVML with two GPUs, built from nvml.h's signatures: one that knows everything, one from before Volta that knows
   neither its energy nor its utilisation. What changes is read from files in the folder that NVML_FOLDER names. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { SUCCESS = 0, NOT_SUPPORTED = 3 };
typedef struct { unsigned long long total, free, used; } memory_t;
typedef struct { unsigned int gpu, memory; } utilization_t;
typedef struct { char legacy[16]; unsigned int domain, bus, device, id, subsystem; char bus_id[32]; } pci_t;
static char new_gpu, old_gpu;

static unsigned long long from(const char *name) {
  char path[4096];
  unsigned long long value = 0;
  snprintf(path, sizeof path, "%s/%s", getenv("NVML_FOLDER"), name);
  FILE *file = fopen(path, "r");
  if (file) { if (fscanf(file, "%llu", &value) != 1) value = 0; fclose(file); }
  return value;
}
#define TELL(text, length) (snprintf(out, length, "%s", text), SUCCESS)

int nvmlInit_v2(void) { return SUCCESS; }
int nvmlInitWithFlags(unsigned int flags) { return SUCCESS; }
int nvmlShutdown(void) { return SUCCESS; }
int nvmlDeviceGetCount_v2(unsigned int *count) { *count = 2; return SUCCESS; }
int nvmlDeviceGetHandleByIndex_v2(unsigned int index, void **gpu) { *gpu = index ? &old_gpu : &new_gpu; return SUCCESS; }
int nvmlSystemGetDriverVersion(char *out, unsigned int length) { return TELL("580.65.06", length); }
int nvmlDeviceGetName(void *gpu, char *out, unsigned int length) { return TELL(gpu == &new_gpu ? "NVIDIA L4" : "Tesla K80", length); }
int nvmlDeviceGetUUID(void *gpu, char *out, unsigned int length) { return TELL(gpu == &new_gpu ? "GPU-new" : "GPU-old", length); }
int nvmlDeviceGetCudaComputeCapability(void *gpu, int *major, int *minor) { *major = gpu == &new_gpu ? 8 : 3; *minor = gpu == &new_gpu ? 9 : 7; return SUCCESS; }
int nvmlDeviceGetMemoryInfo(void *gpu, memory_t *memory) { *memory = (memory_t){24000000000ULL, 20000000000ULL, 4000000000ULL}; return SUCCESS; }
int nvmlDeviceGetPciInfo_v3(void *gpu, pci_t *pci) { memset(pci, 0, sizeof *pci); strcpy(pci->bus_id, gpu == &new_gpu ? "00000000:01:00.0" : "00000000:02:00.0"); return SUCCESS; }
int nvmlDeviceGetEnforcedPowerLimit(void *gpu, unsigned int *limit) { *limit = gpu == &new_gpu ? 72000 : 150000; return SUCCESS; }
int nvmlDeviceGetPowerUsage(void *gpu, unsigned int *power) { *power = from("power_mw"); return *power ? SUCCESS : NOT_SUPPORTED; }
int nvmlDeviceGetTemperature(void *gpu, int sensor, unsigned int *heat) { *heat = 61; return SUCCESS; }
int nvmlDeviceGetUtilizationRates(void *gpu, utilization_t *rates) { *rates = (utilization_t){75, 30}; return gpu == &new_gpu ? SUCCESS : NOT_SUPPORTED; }
int nvmlDeviceGetTotalEnergyConsumption(void *gpu, unsigned long long *energy) { *energy = from("energy_mj"); return gpu == &new_gpu ? SUCCESS : NOT_SUPPORTED; }
