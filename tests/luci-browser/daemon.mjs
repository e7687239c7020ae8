/*
 * What procd and rpcd do with the program: keep it running as the configuration says, and ask its plugin.
 */
import { spawn } from 'node:child_process';
import { chownSync, copyFileSync, renameSync } from 'node:fs';

/* The user nobody, whom the daemon becomes. */
const NOBODY = 65534;

export class Daemon {
	#program;
	#directory;
	#child = null;

	constructor(program, directory) {
		this.#program = program;
		this.#directory = directory;
	}

	get #config() {
		return `${this.#directory}/etc/spa-knockd`;
	}

	/* What the daemon reads: a copy of its own. */
	get #given() {
		return `${this.#directory}/given`;
	}

	#give() {
		copyFileSync(this.#config, `${this.#given}.new`);
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
		const { status, said } = await this.#run([ 'rpcd', '--config', this.#config, '--socket', this.#socket, 'call', method ],
			JSON.stringify(question));

		if (status != 0)
			throw 2;

		return JSON.parse(said);
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
