/*
 * What the steps have in common: one person at the pages, the keys of the user that is made first, and the router.
 */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { after, test } from 'node:test';
import { close, keysOf, person, readCode } from './browser.mjs';

const { ETC, ROUTER, ROUTER_URL } = process.env;

/* Text that would ask something, if anything took it for HTML; and what else is not a name's. */
export const EVIL = '<img src=x onerror=alert(1)>"é';

export const root = await person();

/* `keys`: of the user `phone`. */
export const journey = { keys: null };

let failed = null;

/* A step upon those before it; where it fails, a picture of the page is kept. */
export function step(title, work) {
	test(title, async () => {
		assert.equal(failed, null, 'an earlier step failed');

		try {
			await work();
			assert.deepEqual(root.faults.splice(0), []);
		}
		catch (error) {
			failed = title;
			await root.shot(`failed ${title}`).catch(() => {});
			throw error;
		}
	});
}

/* What stands in the file of this name below /etc/config. */
export function configuration(name = 'spa-knockd') {
	return readFileSync(`${ETC}/${name}`, 'utf8');
}

export function writeConfiguration(text, name = 'spa-knockd') {
	writeFileSync(`${ETC}/${name}`, text);
}

/* Opens the dialog of a user and reads both keys off the screen. */
export async function connect(name) {
	await root.page.locator(`tr[data-sid="${name}"] button:text-is("Connect…")`).click();
	await root.press('Show QR code and keys');
	await root.page.waitForSelector('.modal svg[role=img]');

	return keysOf(await readCode(root.page));
}

/* Something befalls the router: see the web server. */
export async function mishap(what) {
	const { status } = await fetch(`${ROUTER_URL}/mishap`, { method: 'POST', body: what });

	assert.equal(status, 204, what);
}

/* What a program on the router says. */
export function onRouter(command, input) {
	return String(execFileSync('ip', [ 'netns', 'exec', ROUTER, ...command ], { input: input ?? '', stdio: [ 'pipe', 'pipe', 'inherit' ], maxBuffer: 1 << 24 }));
}

/* What one look at the page takes, and the next, at the most. */
export async function seenWithin(milliseconds, locator) {
	const start = performance.now();

	await locator.waitFor();
	assert.ok(performance.now() - start < milliseconds, `seen after ${performance.now() - start} ms`);
}

/* Closes what is open. */
export async function closeAll() {
	await root.go('status');

	if (await root.page.locator('button:visible:text-is("Close all")').count()) {
		await root.press('Close all');
		await root.press('Close', '.modal');
	}

	await root.see('Nothing is open.');
}

after(close);
