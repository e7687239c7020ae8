/*
 * What a static program finds by its name while it runs: nothing, as musl's own says.
 *
 * musl's for MIPS is written in assembly for callers that leave its address in a register, which code without
 * position-independent calls does not: it would jump anywhere.
 */
void *dlsym(void *handle, const char *name);
void *__dlsym_time64(void *handle, const char *name);

void *dlsym(void *handle, const char *name)
{
	(void)handle;
	(void)name;
	return 0;
}

void *__dlsym_time64(void *handle, const char *name)
{
	return dlsym(handle, name);
}
