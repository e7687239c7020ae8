/*
 * A person at the pages: a browser with a login, and a client on the internet's side of the lab.
 */
import { execFileSync } from 'node:child_process';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { chromium } from 'playwright-core';

const { ROUTER_URL, WAN, SHOTS } = process.env;
const ARGS = [ '--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking',
	'--disable-component-update', '--disable-sync' ];
const DECODER = readFileSync(new URL('node_modules/jsqr/dist/jsQR.js', import.meta.url), 'utf8');

mkdirSync(SHOTS, { recursive: true });

const browser = await chromium.launch({ executablePath: '/usr/bin/chromium', args: ARGS });

export function close() {
	return browser.close();
}

/* A browser window with a login of its own; `faults` has what its scripts did not catch. */
export async function person({ name = 'root', width = 1100, dark = false } = {}) {
	const context = await browser.newContext({ viewport: { width, height: 900 }, isMobile: width < 500, colorScheme: dark ? 'dark' : 'light' });
	const page = await context.newPage();
	const faults = [];

	page.setDefaultTimeout(15000);
	page.on('pageerror', error => faults.push(error.message));
	page.on('dialog', dialog => {
		faults.push(`a script asked: ${dialog.message()}`);
		dialog.dismiss();
	});

	const person = {
		page, faults,

		go: async (where, theme = 'bootstrap') => {
			await page.goto(`${ROUTER_URL}/cgi-bin/luci/admin/services/spa-knockd/${where}?theme=${theme}`);
			await page.waitForSelector('#view h2');
		},

		text: () => page.innerText('#view'),
		field: name => page.locator(`[data-name="${name}"]`).last(),
		tab: name => page.locator(`[data-tab="${name}"] > a`).last().click(),
		press: (words, within = '') => page.locator(`${within} button:visible:text-is("${words}")`).first().click(),
		see: words => page.locator(`text=${words}`).first().waitFor(),
		edit: name => page.locator(`tr[data-sid="${name}"] button:text-is("Edit")`).click(),
		shot: file => page.screenshot({ path: `${SHOTS}/${file}.png`, fullPage: true }),

		/* Saves a dialog, and waits until it is gone. */
		save: async () => {
			await person.press('Save', '.modal');
			await page.locator('body:not(.modal-overlay-active)').waitFor();
		},

		/* Save & Apply, until LuCI has loaded the page again. */
		apply: async () => {
			await Promise.all([
				page.waitForEvent('load', { timeout: 30000 }),
				page.locator('.cbi-page-actions .cbi-button-apply').first().click()
			]);
			await page.waitForSelector('#view h2');
		}
	};

	await page.goto(`${ROUTER_URL}/cgi-bin/luci/admin/services/spa-knockd/status`);
	await page.fill('[name=luci_username]', name);
	await page.fill('[name=luci_password]', 'test');
	await page.press('[name=luci_password]', 'Enter');
	await page.waitForSelector('#view h2');

	return person;
}

/* What a camera reads off the screen; the decoder stands in a window of its own. */
export async function readCode(page) {
	const picture = (await page.locator('.modal svg[role=img]').screenshot()).toString('base64');
	const context = await browser.newContext();
	const camera = await context.newPage();

	await camera.addScriptTag({ content: DECODER });

	const text = await camera.evaluate(async data => {
		const image = new Image();

		image.src = `data:image/png;base64,${data}`;
		await image.decode();

		const canvas = new OffscreenCanvas(image.width, image.height).getContext('2d');

		canvas.drawImage(image, 0, 0);

		return window.jsQR(canvas.getImageData(0, 0, image.width, image.height).data, image.width, image.height)?.data;
	}, picture);

	await context.close();

	return text;
}

/* The keys in a QR code, in the form that the phone app reads. */
export function keysOf(code) {
	const [ , encryption, hmac ] = /^KEY_BASE64:(\S+) HMAC_KEY_BASE64:(\S+)$/.exec(code);

	return { encryption, hmac };
}

/* The real client runs out there. */
function client(args) {
	execFileSync('ip', [ 'netns', 'exec', WAN, 'fwknop', '--no-save-args', ...args ], { stdio: [ 'ignore', 'ignore', 'inherit' ] });
}

/* It knocks at the router with these keys. */
export function knock({ encryption, hmac }, access = 'tcp/22', ...more) {
	client([ '--no-rc-file', '-D', '203.0.113.1', '-a', '203.0.113.2', '-A', access, '--key-base64-rijndael', encryption, '--use-hmac', '--key-base64-hmac', hmac,
		...more ]);
}

/* It knocks as a command says whose first word is its own name, with this file of stanzas. */
export function knockAs(command, rc) {
	client([ ...command.split(' ').slice(1), '--rc-file', rc ]);
}

/* The text of a knock that it makes, and does not send. */
export function packet(keys, access = 'tcp/22') {
	const file = `${process.env.ETC}/../packet`;

	writeFileSync(file, '');
	knock(keys, access, '--test', '--save-packet', file);

	return readFileSync(file, 'utf8').trim();
}

/* Whether a connection from there gets through. */
export function isOpen(port) {
	const said = execFileSync('ip', [ 'netns', 'exec', WAN, 'bash', '-c', `timeout 2 bash -c '</dev/tcp/203.0.113.1/${port}' 2>/dev/null && echo open || echo closed` ]);

	return String(said).trim() == 'open';
}
