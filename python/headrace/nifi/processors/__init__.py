"""The processors, one file for each: NiFi reads the files, so each stands alone but for headrace.nifi."""
