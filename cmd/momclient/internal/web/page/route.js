// The addresses of the parts of the page. They are complete, so that a view can be
// sent to somebody, and survives a reload:
//
//   #/?show=failed&server=NAME&find=TEXT&sort=-left   all jobs, or some of them, sorted
//   #/job/ID?server=NAME                              the latest run of a job
//   #/job/ID/run/ID?server=NAME&at=log-7              a run, at an entry of its log
//
// The name of the server is left out if there is only one.

import { nameOf, several } from './servers.js';

const jobPath = /^\/job\/([0-9a-f-]{36})(?:\/run\/([0-9a-f-]{36}))?$/;

export function parse(hash) {
  const [path, ...rest] = hash.slice(1).split('?');
  const query = new URLSearchParams(rest.join('?'));
  const m = jobPath.exec(path);
  if (m) return { job: m[1], run: m[2], server: query.get('server') ?? undefined, at: query.get('at') ?? '' };
  return { show: query.get('show') ?? '', servers: query.getAll('server'), find: query.get('find') ?? '', sort: query.get('sort') ?? '' };
}

// overviewHref returns the address of the overview with the choices of a route.
export function overviewHref({ show, servers, find, sort }) {
  const query = new URLSearchParams();
  if (show) query.set('show', show);
  for (const server of servers ?? []) query.append('server', server);
  if (find) query.set('find', find);
  if (sort) query.set('sort', sort);
  return '#/' + (query.size ? '?' + query : '');
}

// jobHref returns the address of a job of the server with the index, or of one of its
// runs, or of an entry of the run.
export function jobHref(server, job, run, at) {
  const query = new URLSearchParams();
  if (several()) query.set('server', nameOf(server));
  if (at) query.set('at', at);
  return `#/job/${job}${run ? `/run/${run}` : ''}${query.size ? '?' + query : ''}`;
}
