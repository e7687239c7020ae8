/*
 * What procd and rpcd do with the program: keep it running as the configuration says, and ask its plugin.
 */
import { spawn } from 'node:child_process';
import { chownSync, readFileSync, renameSync, writeFileSync } from 'node:fs';

/* The user nobody, whom the daemon becomes. */
const NOBODY = 65534;

export class Daemon {
	#program;
	#directory;
	#devices;
	#child = null;

	/* `devices` gives the devices of the networks that the configuration names. */
	constructor(program, directory, devices) {
		this.#program = program;
		this.#directory = directory;
		this.#devices = devices;
	}

	get #config() {
		return `${this.#directory}/etc/spa-knockd`;
	}

	/* What the daemon reads: a copy of its own, in which networks have become devices. */
	get #given() {
		return `${this.#directory}/given`;
	}

	#give() {
		const lines = this.#devices().map(device => `\n\tlist device '${device}'`).join('');

		writeFileSync(`${this.#given}.new`, readFileSync(this.#config, 'utf8').replace(/^config spa-knockd .*$/m, line => line + lines), { mode: 0o600 });
		chownSync(`${this.#given}.new`, NOBODY, NOBODY);
		renameSync(`${this.#given}.new`, this.#given);
	}

	get #socket() {
		return `${this.#directory}/run/control.sock`;
	}

	/* Runs the program with this input to its end. */
	#run(args, input) {
		return new Promise(resolve => {
			const child = spawn(this.#program, args, { stdio: [ 'pipe', 'pipe', 'inherit' ] });
			let said = '';

			child.stdout.on('data', data => { said += data; });
			child.stdin.on('error', () => {});
			child.stdin.end(input);
			child.on('close', status => resolve({ status, said }));
		});
	}

	/* What the plugin answers, as rpcd hands it on. */
	async ask(method, question) {
		const { status, said } = await this.#run([ 'rpcd', '--config', this.#config, '--socket', this.#socket,
			'--state-dir', `${this.#directory}/state`, 'call', method ],
		JSON.stringify(question));

		if (status != 0)
			throw 2;

		const reply = JSON.parse(said);

		/* A router is known by its /etc/rc.common, which is not here. */
		reply.warnings = reply.warnings?.filter(warning => !warning.startsWith('there is no list device'));

		return reply;
	}

	/* As the init script does after a change: a configuration that is refused leaves everything as it is. */
	async follow(isOn) {
		if (!isOn)
			return this.stop();

		if ((await this.#run([ 'check', '--config', this.#config ], '')).status != 0)
			return;

		this.#give();

		/* 3: only a restart takes it over. */
		if (this.#child && (await this.#run([ 'reload', '--socket', this.#socket ], '')).status == 3)
			await this.stop();

		if (!this.#child)
			this.#start();
	}

	#start() {
		const child = spawn(this.#program, [ 'run', '--config', this.#given, '--state-dir', `${this.#directory}/state`,
			'--run-dir', `${this.#directory}/run`, '--user', 'nobody' ], { stdio: [ 'ignore', 'ignore', 'inherit' ] });

		this.#child = child;
		child.on('exit', () => {
			if (this.#child === child)
				this.#child = null;
		});
	}

	stop() {
		const child = this.#child;

		return child && new Promise(resolve => {
			child.on('exit', resolve);
			child.kill();
		});
	}
}
