/*
 * A person at a browser; `faults` has whatever its console says.
 */
import { mkdirSync } from 'node:fs';
import { chromium } from 'playwright-core';

const { SHOTS } = process.env;
const ARGS = [ '--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking',
	'--disable-component-update', '--disable-sync' ];

mkdirSync(SHOTS, { recursive: true });

const browser = await chromium.launch({ executablePath: '/usr/bin/chromium', args: ARGS });

export function close() {
	return browser.close();
}

/* A browser that has never been here. */
export async function person({ width = 1100, dark = false, scripts = true } = {}) {
	const context = await browser.newContext({
		viewport: { width, height: 700 }, isMobile: width < 500, colorScheme: dark ? 'dark' : 'light', javaScriptEnabled: scripts,
		/* The router's certificate is its own. */
		ignoreHTTPSErrors: true
	});
	const page = await context.newPage();
	const faults = [];

	page.setDefaultTimeout(20000);
	page.on('pageerror', error => faults.push(error.message));
	/* A status other than 200 is none of the page's faults. */
	page.on('console', message => message.text().startsWith('Failed to load resource: the server responded') || faults.push(message.text()));

	return {
		page, faults,

		title: () => page.innerText('h1'),
		text: () => page.innerText('main'),
		press: words => page.locator(`button:visible:text-is("${words}"), a:visible:text-is("${words}"), summary:text-is("${words}")`).click(),
		challenge: () => page.innerText('code.big'),
		name: async user => {
			await page.fill('[name=user]', user);
			await page.locator('button:text-is("Go on")').click();
			await page.waitForSelector('[name=response]');
		},
		type: response => page.fill('[name=response]', response),
		leave: () => context.close(),

		/* A picture in its width, with the whole page. */
		shot: file => page.screenshot({ path: `${SHOTS}/${file}.png`, fullPage: true }),

		/* Whether it fits its window without being moved sideways. */
		fits: () => page.evaluate(() => document.documentElement.scrollWidth <= window.innerWidth)
	};
}
