/*
 * What a visitor has: a card from the wallet, an authenticator, and connections of his own.
 */
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { request as askPlainly } from 'node:http';
import { request } from 'node:https';
import { connect } from 'node:net';
import { fileURLToPath } from 'node:url';

const { PASSPHRASE, SECRET, CERTIFICATE } = process.env;
const CALCULATOR = fileURLToPath(new URL('calculator.py', import.meta.url));

export const certificate = readFileSync(CERTIFICATE);
export const PAGE = 'https://203.0.113.1:8443/open-sesame';
export const PAGE6 = 'https://[2001:db8:1::1]:8443/open-sesame';
/* Not encrypted: the other web server. */
export const PLAIN = 'http://[2001:db8:1::1]/cgi-bin/open-sesame';
export const ME = '203.0.113.2';
export const ME6 = '2001:db8:1::2';

/* The password for a challenge, from a calculator that is not ours: its words and its hex. */
export function password(challenge) {
	const [ , algorithm, number, seed ] = /otp-(md5|sha)1? (\d+) (\S+)/.exec(challenge);
	const said = execFileSync('python3', [ CALCULATOR, algorithm, number, seed ], { input: PASSPHRASE, encoding: 'utf8' });
	const [ words, hex ] = said.trim().split('\n');

	return { words, hex };
}

/* The code that an authenticator shows now. */
export function code() {
	return execFileSync('oathtool', [ '--totp', '--base32', SECRET ], { encoding: 'utf8' }).trim();
}

/* A connection to a port of the router; null where it is refused. */
export function knockAt(port, from = ME) {
	const host = from.includes(':') ? '2001:db8:1::1' : '203.0.113.1';

	return new Promise((resolve, reject) => {
		const socket = connect({ host, port, localAddress: from });

		socket.once('connect', () => resolve(socket));
		socket.once('error', error => error.code == 'ECONNREFUSED' ? resolve(null) : reject(error));
	});
}

export async function isOpen(port, from) {
	const socket = await knockAt(port, from);

	socket?.destroy();

	return socket !== null;
}

/* Whether what is said on a connection comes back. */
export function echoes(socket, words) {
	return new Promise(resolve => {
		const timer = setTimeout(() => resolve(false), 5000);

		socket.once('data', data => {
			clearTimeout(timer);
			resolve(String(data) == words);
		});
		socket.write(words);
	});
}

export function pause(milliseconds) {
	return new Promise(resolve => setTimeout(resolve, milliseconds));
}

/* Waits until something is so. */
export async function until(what, isSo, patience = 30000) {
	const start = performance.now();

	while (!await isSo()) {
		if (performance.now() - start > patience)
			throw new Error(`waited in vain: ${what}`);

		await pause(200);
	}
}

/* A request of no browser: what came back. */
export function ask({ method = 'GET', url = PAGE, from = '203.0.113.66', headers = {}, body = '' } = {}) {
	const start = performance.now();

	return new Promise((resolve, reject) => {
		const how = url.startsWith('https:') ? request : askPlainly;
		/* This one certificate is the router's, whatever name is asked for. */
		const tls = { ca: certificate, checkServerIdentity: () => undefined };
		const asked = how(url, { method, headers, localAddress: from, agent: false, ...tls }, answer => {
			let text = '';

			answer.setEncoding('utf8');
			answer.on('data', data => { text += data; });
			answer.on('error', reject);
			answer.on('end', () => resolve({ status: answer.statusCode, headers: answer.headers, text, time: performance.now() - start }));
		});

		/* A server may answer, and close, before it was told everything. */
		asked.on('error', reject);
		asked.end(body);
	});
}

export const FORM = 'application/x-www-form-urlencoded';

/* Sends a form. */
export function post(fields, more = {}) {
	const body = typeof fields == 'string' ? fields : String(new URLSearchParams(fields));

	return ask({ method: 'POST', body, ...more, headers: { 'Content-Type': FORM, 'Content-Length': Buffer.byteLength(body), ...more.headers } });
}

/* What a form asks a name for. */
export async function challenge(user, from) {
	const { text } = await ask({ url: `${PAGE}?user=${encodeURIComponent(user)}`, from });

	return { token: /name=token value="(\w+)"/.exec(text)[1], challenge: /otp-[^<]+/.exec(text)[0] };
}

export function title(text) {
	return /<h1>([^<]*)/.exec(text)?.[1];
}
