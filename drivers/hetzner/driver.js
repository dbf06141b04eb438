// Hetzner Cloud's API v1: servers and locations. Two lists in pages of 50, with a token in a header. Parsing is in
// `answers.js`, apart from HTTP; here is what is asked and what comes of an answer's status.

import { Request, UnexpectedAnswer, dates, description } from '../js-sdk/tracker-driver/index.js';
import * as answers from './answers.js';

const ENDPOINT = 'https://api.hetzner.cloud';
/** The most that the API gives at once. */
const PER_PAGE = 50;

/** The password is an API token of a project, which may be one that only reads; the user is a name of your own for it. */
export const driver = {
  describe: () =>
    description({
      name: 'hetzner',
      title: 'Hetzner Cloud',
      version: '0.1.0',
      providers: [{ name: 'main', endpoint: ENDPOINT }],
      endpoints: [ENDPOINT],
      // 3,600 an hour are what a project has.
      requestsPerMinute: 30,
    }),

  listInstances: (account, query) => list(account, query, 'servers', answers.server),

  listRealms: (account, query) => list(account, query, 'locations', answers.location),
};

function list(account, query, what, read) {
  const place = answers.placeOf(query.cursor);
  // Sorted by what never changes: a new server comes last, and slips under nobody.
  const request = Request.get(`${account.endpoint}/v1/${what}`).query({ page: place.page, per_page: PER_PAGE, sort: 'id:asc' });
  const response = request.bearer().header('accept', 'application/json').send();
  if (response.status < 200 || response.status >= 300) throw failed(response);
  const answer = response.json();
  try {
    return answers.pageOf(answer, what, read, place);
  } catch (error) {
    throw error instanceof UnexpectedAnswer ? error.during(response.asked) : error;
  }
}

/** The error of a status, in the API's own words, with the wait that it asks for. */
function failed(response) {
  const start = response.startOfBody();
  const wait = answers.wait(response.header('ratelimit-reset'), response.header('ratelimit-limit'), dates.now());
  return response.errorQuoting(answers.message(start), wait);
}
