/* Written by scripts/api-types.mjs from docs/api/openapi.yaml; not edited. */

export type Time = string;

export type RecordingId = string;

export type ProjectId = string;

export type RequestId = string;

export type GrantId = string;

export type UserId = string;

export type ChangeId = string;

export type ViewingId = string;

export type Sha256 = string;

export type Name = string;

export type Kind = "rrweb" | "terminal";

export type Action = "play" | "live" | "unmask" | "export";

export type Role = "viewer" | "approver" | "auditor" | "project-admin" | "breakglass" | "admin";

export type RequestState = "PENDING" | "SCHEDULED" | "ACTIVE" | "SUSPENDED" | "DENIED" | "CANCELLED" | "LAPSED" | "EXPIRED" | "REVOKED" | "RELINQUISHED";

export type GrantState = "SCHEDULED" | "ACTIVE" | "SUSPENDED" | "CANCELLED" | "LAPSED" | "EXPIRED" | "REVOKED" | "RELINQUISHED";

export type Problem = {
  type: string;
  /** the same for every occurrence of the code */
  title: string;
  status: number;
  /** this occurrence, for people; never repeats input */
  detail: string;
  /** | status | codes | | --- | --- | | 400 | `bad-request` `bad-json` `invalid-request` (two credentials) | | 401 | `login-needed` `login-failed` `reauth-needed` `hook-refused` `key-missing` `key-malformed` `key-forged` `key-not-yet` `key-expired` `key-revoked` `key-binding` `act-invalid` | | 403 | `forbidden` `act-needed` `proof-needed` `csrf` `break-glass-limit` `token-not-fresh` `origin-refused` `recording-secret` `statement-refused` `not-eligible` `policy-denied` `grant-ended` `grant-suspended` `scope` `recording-mismatch` `quota` | | 404 405 406 | `not-found` `method-not-allowed` `not-acceptable` | | 408 | `timeout` | | 409 | `grant-state-conflict` `no-approver` `batch-gap` `recording-ended` `request-open` `digest-mismatch` `already-voted` `already-exists` `idempotency-running` | | 410 | `erased` | | 411 412 | `length-required` `stale` | | 413 414 | `too-large` `uri-too-long` | | 415 | `unknown-format` `unsupported-media-type` `unsupported-encoding` | | 417 421 | `expectation-failed` `misdirected` | | 422 | `invalid` `split-request` `import-broken` `batch-mixed` `policy-invalid` `masks-invalid` `policy-test-failed` `idempotency-mismatch` and `<name>-unsupported` | | 423 | `restricted` | | 429 | `rate-limited` `too-many-open` `login-throttled` | | 431 | `headers-too-large` | | 500 501 505 | `internal` `not-implemented` `http-version` | | 503 | `authority-stale` `keeper-unavailable` `audit-unavailable` `audit-space` `ingest-space` `clock-untrusted` `overloaded` `starting` | */
  code: string;
  /** the same call may work later, unchanged */
  retryable: boolean;
  trace_id: string;
  /** members that are wrong (422 `invalid`) */
  errors?: ({
    /** JSON Pointer, or the name of a query parameter or header */
    at: string;
    code: "missing" | "unknown" | "type" | "too-short" | "too-long" | "too-small" | "too-large" | "pattern" | "not-one-of" | "not-found" | "duplicate" | "in-the-past" | "conflict";
    /** the bound, where there is one */
    limit?: number | string | null;
    detail?: string;
  })[];
  /** a limit that was passed */
  limit?: {
    name?: string;
    value?: number;
    seen?: number | null;
    setting?: string;
  };
  /** `quota` and `rate-limited` - the limit of the access that was reached, and how much of it is used; what is left is the difference */
  left?: {
    name: "key_streams" | "grant_streams" | "person_streams" | "key_bytes" | "key_rate" | "key_requests";
    /** streams, bytes, bytes per second, requests per second */
    limit: number;
    used: number;
  };
  /** of the file or text, from 1 */
  line?: number;
  /** byte in the unpacked file, from 0 */
  offset?: number;
  /** a fixed word or short text: why not eligible, what is wrong in that line */
  cause?: string;
  /** formats that are known (415) */
  formats?: string[];
  /** rules that disagree (`split-request`), or that would decide */
  rules?: string[];
  change?: GuardedChange;
  /** groups or roles in which somebody is missing (`no-approver`) */
  groups?: string[];
  who_can_change?: Person[];
  tests?: PolicyTest[];
  /** the state that was in the way */
  state?: string;
  request?: string;
  grant?: string;
  opens_at?: Time;
  retry_after_s?: number;
  /** on replay routes: 4401 and so on */
  stream_code?: number;
  /** path for a fresh key, when one would help */
  renew?: string;
};

export type Person = {
  id: UserId;
  name: string;
  full_name?: string | null;
};

export type SignIn = {
  token?: string;
  user: Person;
  expires_at: Time;
  fresh_until: Time;
  /** RFC 7638 thumbprint of the client key that this sign-in has */
  client_key?: string | null;
};

export type RoleIn = {
  /** id, name or * */
  project?: string;
  role: Role;
};

export type RoleHeld = {
  /** id or * */
  project: string;
  role: Role;
  /** the group that gives it */
  group?: string | null;
};

export type MemberIn = {
  user?: string;
  group?: string;
  role: "viewer" | "approver" | "auditor" | "project-admin" | "breakglass";
};

export type Me = {
  user: Person;
  roles: RoleHeld[];
  admin: boolean;
  groups?: string[];
  projects: {
    id: ProjectId;
    name: string;
  }[];
  auth: {
    kind: "cookie" | "sign-in" | "api-token";
    expires_at: Time;
    /** null or in the past: a vote needs reauth first */
    fresh_until: string | null;
    /** RFC 7638 thumbprint of the client key of this sign-in */
    client_key?: string | null;
    /** from when on this client key signs acts; null: now, or it has none */
    acts_from?: string | null;
  };
  /** client keys that the account's other sign-ins registered in the last 7 days (newest first, at most 20) */
  new_client_keys?: ({
    client_key: string;
    client: "web" | "cli" | "api";
    registered_at: Time;
  })[];
  /** requests waiting for this person's vote */
  inbox?: number;
  public_url: string;
  /** origin of the player documents /dom and /terminal */
  player_url: string;
  version: string;
  now: Time;
  /** only on a demo server */
  demo?: Demo;
};

export type Demo = {
  /** a page that records itself, on an origin of its own; null: its token was ended, or the demo was made by an earlier version */
  shop: {
    url: string;
    /** where it records to */
    server: string;
    token: string;
  } | null;
  accounts: {
    name: string;
    url: string;
    password: string;
  }[];
};

export type User = {
  id: UserId;
  name: string;
  full_name?: string | null;
  state: "active" | "disabled";
  groups: string[];
  roles: RoleHeld[];
  person: string;
  subjects: string[];
  has_password?: boolean;
  created_at: Time;
  last_login_at?: string | null;
};

export type GuardedChange = {
  id: ChangeId;
  state: "waiting" | "done" | "stopped" | "failed";
  /** the operationId that asked for it */
  operation: string;
  /** id of the account, group or project that it changes */
  target?: string | null;
  target_name?: string | null;
  /** what was asked; a password is never in it */
  body?: Record<string, unknown>;
  /** why it is guarded */
  touches: ("members" | "roles" | "person" | "subjects" | "credentials" | "project" | "masking")[];
  proposed_by: Person;
  proposed_at: Time;
  /** when it works by itself; null: only by a second administrator's approval */
  effective_at: string | null;
  /** nobody else may approve it */
  sole_admin: boolean;
  decided_by?: Person | null;
  decided_at?: string | null;
  comment?: string | null;
  /** the problem's code, when it could not be done any more */
  failure?: string | null;
  /** token_create only, in its 202 and nowhere else: opens nothing before the change is done */
  token?: string;
};

export type Group = {
  name: string;
  builtin: boolean;
  roles: RoleHeld[];
  members: Person[];
};

export type Origins = string[];

export type Project = {
  id: ProjectId;
  name: string;
  env: string;
  origins: Origins;
  /** who holds a role in this project (project-admin and admin see it; else empty) */
  members: {
    user?: Person;
    group?: string;
    role: Role;
  }[];
  created_at: Time;
};

export type Masks = {
  project: ProjectId;
  /** as it was set; empty: the default rules */
  text: string;
  hash: Sha256;
  default: boolean;
  /** keep: what is taken out can be shown again under access with `unmask` */
  reveal: "drop" | "keep";
  /** built-in patterns that are on */
  patterns: string[];
  /** names of own patterns */
  own: string[];
  /** grows with each change */
  version: number;
  changed_by?: Person | null;
  changed_at?: string | null;
};

export type MaskTest = {
  masked: string;
  hits: {
    rule: string;
    /** characters before it */
    from: number;
    to: number;
  }[];
  counts: {
    rule: string;
    n: number;
  }[];
};

export type Token = {
  id: string;
  kind: "ingest" | "api" | "gateway";
  name?: string | null;
  /** of a gateway */
  url?: string;
  /** of ingest: public, for pages of the project's origins */
  browser?: boolean;
  states?: States;
  project?: string | null;
  user?: Person | null;
  state: "active" | "waiting" | "revoked" | "expired";
  created_at: Time;
  created_by?: Person;
  expires_at?: string | null;
  last_used_at?: string | null;
};

export type Link = {
  type: string;
  id: string;
  /** the moment it belongs to, since the start of the recording; absent: not known */
  at_ms?: number;
  /** stated with a public token, by nobody else: whoever has the page can say so */
  public?: boolean;
};

export type States = string[];

export type StatedLink = {
  type: string;
  id: string;
};

export type Recording = {
  id: RecordingId;
  kind: Kind;
  project: ProjectId;
  title: string | null;
  /** the recorded person; to a viewer a pseudonym of 8 characters */
  subject?: string | null;
  subject_is_pseudonym?: boolean;
  session?: string | null;
  env: string;
  class: string | null;
  /** recorded with a public token: its words were stated by somebody who has the page, and its events were sent by them */
  public?: boolean;
  tags: Record<string, string>;
  links: Link[];
  /** as the uploader stated; null when unknown */
  started_at: string | null;
  created_at: Time;
  duration_ms: number;
  events: number;
  /** event bytes before compression */
  bytes: number;
  live: boolean;
  /** the caller's own: asked = a request is pending, scheduled = approved and opens later or at first use */
  access: "none" | "asked" | "scheduled" | "open";
  /** the request behind `access`; for none the latest one of the caller that ended, if any */
  access_request?: string | null;
  access_grant?: string | null;
  access_actions?: Action[];
  /** when `access` is open */
  window_ends?: string | null;
  /** a rule of the policy lets the caller ask for `play` */
  can_ask?: boolean;
  /** what masking rules took out was kept: `unmask` may be asked for */
  hidden_kept?: boolean;
};

export type PurposeIn = {
  code: string;
  /** at least reason_min characters after trimming, wide scripts count double */
  reason?: string;
  ticket?: string;
};

export type RequestIn = {
  recordings: RecordingId[];
  actions: Action[];
  purpose: PurposeIn;
  /** more than the policy's maximum is 422 invalid with the limit */
  duration_s: number;
  /** `approval`, `first-use` or a time (RFC 3339) at most 30 days ahead */
  start?: string;
  /** first-use: how long the approval waits for it; left out: the policy's, 8 h */
  start_by_s?: number;
  /** ids or names of who else will watch; the requester need not be named, but counts */
  viewers?: string[];
  more?: More;
  more_time?: MoreTime;
  parts?: unknown[];
  /** a grant of one's own that is open; at most 100 grants prolong one another */
  extends?: string;
  /** {} is the same as left out */
  break_glass?: {
    /** id of the incident */
    incident?: string;
    /** why it cannot wait; at least 20 characters, counted as purpose.reason */
    reason?: string;
  };
};

export type RequestCheckIn = {
  recordings: RecordingId[];
  actions?: Action[];
  purpose?: PurposeIn;
  duration_s?: number;
  start?: string;
  start_by_s?: number;
  viewers?: string[];
  more?: More;
  more_time?: MoreTime;
  parts?: unknown[];
  extends?: string;
  break_glass?: Record<string, unknown>;
};

export type More = {
  /** what an added one shares with one that was asked for */
  same?: "session" | "subject" | "link";
  max?: number;
};

export type MoreTime = {
  times?: number;
  each_s?: number;
};

export type Terms = {
  purpose: string;
  /** auto: opens at once. ask: others approve */
  verdict: "auto" | "ask" | "deny" | "no-approver";
  /** null: no rule matches */
  rule: string | null;
  /** characters */
  reason_min: number;
  ticket: "optional" | "required";
  max_s: number;
  default_s: number;
  start: ("approval" | "first-use" | "time")[];
  start_by_s?: number;
  max_speed?: number;
  /** people in one request, the requester included */
  viewers?: number;
  /** recordings that may be added later; null: none */
  more?: {
    same: ("session" | "subject" | "link")[];
    max: number;
  } | null;
  /** time that may be granted beforehand; null: none */
  more_time?: {
    times: number;
    each_s: number;
  } | null;
  /** votes; 0 with auto */
  need: number;
  /** votes that deny */
  deny?: number;
  /** `role:approver`, `group:security` */
  from: string[];
  groups?: {
    name: string;
    min: number;
  }[];
  /** who could approve now, at most 20 */
  approvers: Person[];
  approvers_total: number;
};

export type Check = {
  /** invalid: `errors` says which members a request with this body would be refused for (missing ones are not errors here) */
  verdict: "auto" | "ask" | "deny" | "no-approver" | "split" | "invalid";
  terms?: Terms | null;
  purposes: Terms[];
  policy: Sha256;
  errors: {
    at: string;
    code: string;
    limit?: unknown;
    detail?: string;
  }[];
  /** split: the rules that disagree */
  rules?: string[];
  /** an open request that would be in conflict */
  request?: string | null;
  /** changes of this request that would need less, best first */
  less: ({
    /** members to put into the request */
    change: {
      actions?: Action[];
      purpose?: string;
      duration_s?: number;
      recordings?: string[];
    };
    verdict: "auto" | "ask";
    need: number;
  })[];
};

export type DigestObject = {
  id: RequestId;
  salt: string;
  requester: UserId;
  project: ProjectId;
  env: string;
  /** sorted by bytes */
  recordings: string[];
  /** sorted by bytes */
  actions: string[];
  purpose: string;
  reason: string;
  ticket: string;
  /** `approval`, `first-use` or the time with milliseconds */
  start: string;
  /** 0 unless first-use */
  start_by_s: number;
  duration_s: number;
  /** sorted by bytes, the requester among them */
  viewers: UserId[];
  /** {} when none */
  more: {
    same?: "session" | "subject" | "link";
    max?: number;
  };
  /** {} when none */
  more_time: {
    times?: number;
    each_s?: number;
  };
  parts: unknown[];
  /** the grant that it prolongs, joins or widens; empty when none */
  extends: string;
  /** hash of the policy text, base64url SHA-256 */
  policy: string;
};

export type Vote = {
  voter: Person;
  vote: "approve" | "deny";
  comment?: string | null;
  at: Time;
  signed?: boolean;
};

export type RequestRecording = {
  id: RecordingId;
  kind?: Kind;
  title?: string | null;
  subject?: string | null;
  env?: string;
  class?: string | null;
  /** as in Recording */
  public?: boolean;
  tags?: Record<string, string>;
  links?: Link[];
  started_at?: string | null;
  duration_ms?: number;
  gone?: boolean;
};

export type Request = {
  id: RequestId;
  state: RequestState;
  version: number;
  digest: Sha256;
  digest_object: DigestObject;
  requester: Person;
  project: ProjectId;
  project_name?: string;
  env: string;
  recordings: RequestRecording[];
  actions: Action[];
  purpose: {
    code: string;
    reason: string;
    ticket?: string | null;
  };
  duration_s: number;
  start: string;
  start_by_s: number;
  /** the rule of the policy that decides */
  rule: string;
  policy: Sha256;
  /** votes needed to approve; 0 when the rule approves by itself */
  need: number;
  /** votes needed to deny */
  deny: number;
  from?: string[];
  groups?: {
    name?: string;
    min?: number;
  }[];
  votes: Vote[];
  /** who could still vote now */
  approvers?: Person[];
  /** granted because there is nobody else */
  sole_person?: boolean;
  /** who will watch, the requester first */
  viewers?: Person[];
  more?: More | null;
  more_time?: MoreTime | null;
  extends?: LinkTo | null;
  break_glass?: BreakGlass | null;
  /** one for each viewer once it is approved, the requester's first */
  grants?: {
    grant: GrantId;
    holder: Person;
    state: GrantState;
  }[];
  /** requests that prolong, join or widen what came of this one */
  linked?: Linked[];
  /** what the caller may do now, a fresh sign-in assumed */
  can?: ("approve" | "deny" | "cancel")[];
  /** why the caller may not vote: requester, subject, viewer, voted, too-new, no-role, token */
  why_not?: string | null;
  created_at: Time;
  lapses_at: Time;
  decided_at?: string | null;
  grant: string | null;
  window?: Window | null;
};

export type LinkTo = {
  grant: GrantId;
  /** more-time: granted beforehand */
  kind: "extend" | "more-time" | "join" | "widen" | "break-glass";
  holder?: Person;
};

export type Linked = {
  request: RequestId;
  kind: "extend" | "more-time" | "join" | "widen" | "break-glass";
  state: RequestState;
  requester: Person;
  grant: string | null;
};

export type BreakGlass = {
  incident: string;
  reason: string;
};

export type Review = {
  due: string | null;
  outcome?: "done" | "failed" | null;
  by?: Person | null;
  at?: string | null;
  comment?: string | null;
};

export type Freeze = {
  /** id; null: everything */
  project: string | null;
  project_name?: string | null;
  reason: string;
  by: Person;
  at: Time;
  can?: "lift"[];
};

export type FreezeList = {
  items: Freeze[];
};

export type Window = {
  start: Time;
  end: Time;
};

export type Grant = {
  id: GrantId;
  state: GrantState;
  gen: number;
  version: number;
  request: RequestId;
  holder: Person;
  project: ProjectId;
  env: string;
  recordings: RequestRecording[];
  actions: Action[];
  purpose: {
    code?: string;
    reason?: string;
    ticket?: string | null;
  };
  duration_s: number;
  start: string;
  /** SCHEDULED: the time it opens, or by when it must be used first */
  opens_by?: string | null;
  /** null while SCHEDULED */
  window: Window | null;
  /** of the window, at the time of the answer; 0 when ended */
  left_ms?: number;
  ended?: {
    at?: Time;
    /** window, idle, ticket-closed, revoked, given-back, person-disabled, policy, recording-gone, guards, project-locked, cancelled, lapsed */
    cause?: string;
    by?: Person;
    comment?: string;
  } | null;
  rule?: string;
  policy?: Sha256;
  max_speed?: number;
  watermark?: boolean;
  sole_person?: boolean;
  /** of a use of break-glass */
  review: "none" | "due" | "done" | "overdue";
  /** null when `review` is none */
  reviewed?: Review | null;
  break_glass?: BreakGlass | null;
  suspended?: {
    /** suspended, frozen */
    cause?: string;
    by?: Person;
    comment?: string;
  } | null;
  /** its window was cut short and counts down; `window.end` is this time */
  ends_early?: {
    at: Time;
    /** ticket-closed */
    cause: string;
  } | null;
  more?: {
    same: "session" | "subject" | "link";
    max: number;
    used: number;
  } | null;
  more_time?: {
    times: number;
    each_s: number;
    used: number;
  } | null;
  extends?: LinkTo | null;
  linked?: Linked[];
  can?: ("revoke" | "relinquish" | "keys" | "suspend" | "resume" | "more-time" | "widen" | "join" | "review")[];
  created_at: Time;
};

export type Key = {
  key_id: string;
  grant: GrantId;
  gen?: number;
  recording: RecordingId;
  viewing: ViewingId;
  holder?: Person;
  client?: "web" | "cli" | "api";
  /** thumbprint of the key that it is bound to; null: a bearer key */
  client_key?: string | null;
  scope: Action[];
  issued_at: Time;
  expires_at: Time;
  state: "live" | "expired" | "revoked";
};

export type Viewing = {
  id: ViewingId;
  state: "live" | "ended";
  grant: GrantId;
  recording: RequestRecording;
  project?: ProjectId;
  viewer: Person;
  /** purpose code */
  purpose?: string;
  client: "web" | "cli" | "api";
  began_at: Time;
  /** newest lease */
  last_at?: string | null;
  ended_at?: string | null;
  /** why it ended: window, revoked, given-back, stopped, idle, signed-out */
  cause?: string | null;
  window_ends?: string | null;
  can?: "stop"[];
};

export type Manifest = {
  id: RecordingId;
  kind: Kind;
  /** the file's own header as it came (asciicast: `width` and `height`, or `term.cols` and `term.rows`), or {} */
  head: Record<string, unknown>;
  duration_ms: number;
  /** rrweb: the timestamp (epoch ms) that is time 0; terminal: 0 */
  base_ms: number;
  events: number;
  /** last sequence that chunks cover; -1 when none */
  sealed_to_seq: number;
  live: boolean;
  /** index = n. from_ms and to_ms are seek times (max of own and previous) */
  chunks: {
    from_seq: number;
    /** inclusive */
    to_seq: number;
    from_ms: number;
    to_ms: number;
    /** event bytes before compression */
    bytes: number;
  }[];
  /** at most 16,384; of more each second, third, … is named */
  keyframes: {
    at_ms: number;
    /** the event from which playing goes on */
    seq: number;
    chunk?: number;
    /** a terminal screen of ours; it comes in `From` */
    screen?: boolean;
  }[];
  /** the first 16,384; more are events only */
  markers: {
    at_ms: number;
    label: string;
  }[];
  notes: ManifestNotes;
  max_speed: number;
  /** the key has `unmask` and originals of what masks took out are kept: events and head are as they were recorded; screens of `From`, markers and notes stay masked */
  unmasked: boolean;
  /** text to lay over the picture: who, and when this was asked for; null: the policy does not ask for it */
  watermark: string | null;
  window_ends: Time;
};

export type ManifestNotes = {
  to_ms: number;
  counts: {
    clicks: number;
    inputs: number;
    rage_clicks: number;
    dead_clicks: number;
    pages: number;
    errors: number;
    resizes: number;
    idle: number;
    console: {
      log: number;
      info: number;
      warn: number;
      error: number;
      debug: number;
    };
    /** by the first digit of the status; none: no answer came */
    requests: {
      none: number;
      "1xx": number;
      "2xx": number;
      "3xx": number;
      "4xx": number;
      "5xx": number;
    };
  };
  /** events in each bin from time 0 on; at most 480 bins, 125 ms or a power of two times that wide */
  activity: {
    bin_ms: number;
    bins: number[];
  };
  /** at most 1,000 */
  pages: {
    at_ms: number;
    seq: number;
    url: string;
    /** 0: not known */
    width: number;
    height: number;
  }[];
  /** at most 1,000; what went to the console as an error, what a page or its recorder called one, and requests that failed */
  errors: ({
    at_ms: number;
    seq: number;
    kind: "error" | "request";
    text: string;
    /** of a request; 0: no answer came */
    status?: number;
  })[];
  /** at most 1,000; three or more clicks within a second of one another on one place, and clicks to which the page did nothing for 3 s */
  clicks: ({
    at_ms: number;
    seq: number;
    kind: "rage" | "dead";
    /** rage: how many clicks */
    n?: number;
  })[];
  /** at most 1,000; pixels, of a terminal columns and rows */
  resizes: {
    at_ms: number;
    seq: number;
    width: number;
    height: number;
  }[];
  /** at most 4,096 spans [from_ms, to_ms] in which nobody did anything: of a page longer than 10 s, of a terminal than 5 s */
  idle: number[][];
  cut: boolean;
};

export type From = {
  /** the first event that follows */
  seq: number;
  /** its keyframe's time */
  at_ms: number;
  to_ms?: number;
  /** of the recording, when the answer began */
  last_seq?: number;
  /** terminal screen before that event */
  screen?: {
    cols: number;
    rows: number;
    /** what to write to an empty terminal */
    init: string;
  };
};

export type End = {
  code: 1000 | 1012 | 4400 | 4401 | 4403 | 4409 | 4410 | 4411 | 4412 | 4423 | 4429 | 4503;
  reason: string;
  /** -1: nothing was sent */
  last_seq: number;
  at_ms: number;
  renew?: string;
  retry_after_s?: number;
};

export type Change = {
  type: "request" | "grant" | "viewing" | "recording" | "policy" | "client-key" | "change";
  id: string;
  /** requests and grants: their states; viewing: live, ended; recording: created, linked, erased, live (it begins to be made), complete (it has ended); policy: proposed, current, stopped; client-key (to the account's other sign-ins, id of the new one): registered; change: waiting, done, stopped, failed */
  state: string;
  /** of a grant */
  request?: string;
  /** of a viewing */
  grant?: string;
  /** only when true: a request or grant of an emergency, to be shown as an alarm */
  break_glass?: boolean;
  recordings?: string[];
};

export type PolicyTest = {
  name: string;
  expect: "deny" | "ask" | "auto" | "split";
  /** the rule that the case names */
  expect_rule?: string | null;
  got: "deny" | "ask" | "auto" | "split";
  /** the rule that decided; null: none matched, or several */
  rule?: string | null;
  /** of a refusal: denied, no-rule, too-long, no-ticket */
  cause?: string | null;
  ok: boolean;
};

export type PolicyWarning = {
  code: "no-approver";
  rule: string;
  project?: string | null;
  groups?: string[];
  detail: string;
};

export type PolicyTestRun = {
  hash: Sha256;
  tests: PolicyTest[];
  passed: number;
  failed: number;
  warnings: PolicyWarning[];
};

export type PolicyDecision = {
  verdict: "ask" | "auto" | "deny" | "split";
  rule: string | null;
  /** approvals, with ask */
  need?: number | null;
  /** of deny: denied, no-rule, purpose, reason, ticket, duration, start, viewers, more, more-time */
  cause?: string | null;
};

export type PolicyDryRun = {
  hash: Sha256;
  from: Time;
  to: Time;
  /** requests that were decided twice */
  looked_at: number;
  differ: number;
  /** false: there are more requests than are looked at, the oldest were left out */
  complete: boolean;
  /** how many went from which verdict to which, the same included */
  counts: {
    was: string;
    now: string;
    n: number;
  }[];
  items: {
    request: RequestId;
    requester: Person;
    project: ProjectId;
    purpose?: string;
    actions?: Action[];
    created_at: Time;
    state?: RequestState;
    was: PolicyDecision;
    now: PolicyDecision;
  }[];
  warnings: PolicyWarning[];
};

export type HookAnswer = {
  received: true;
  /** why nothing was done: event, state, no-ticket */
  ignored?: string;
  /** this delivery was taken before */
  repeated?: boolean;
  /** requests and approvals that were cancelled */
  cancelled?: number;
  /** open accesses that end in 5 minutes */
  ending?: number;
};

export type Policy = {
  version?: number;
  hash: Sha256;
  state: "proposed" | "current" | "past" | "stopped";
  /** canonical text: this is the policy (single ones only) */
  print?: string;
  /** as it was written, without force (single ones only, admin) */
  source?: string;
  comment?: string | null;
  proposed_by?: Person | null;
  proposed_at: Time;
  approved_by?: Person | null;
  effective_at?: string | null;
  sole_admin?: boolean;
  tests?: PolicyTest[];
  purposes?: ({
    code: string;
    reason_min: number;
    ticket: "optional" | "required";
  })[];
};

export type Status = {
  version: string;
  started_at: Time;
  now: Time;
  /** closed: nothing is replayed */
  state: "ok" | "degraded" | "closed";
  demo?: boolean;
  roles: ({
    role: "gate" | "keeper" | "vault";
    state: "up" | "silent" | "down";
  })[];
  clock?: "trusted" | "untrusted";
  audit?: {
    state?: "ok" | "unavailable" | "space" | "sealed";
    /** when all logs and their files were last read and compared; left out: not yet */
    scrubbed_at?: string;
    logs?: {
      log?: string;
      size?: number;
    }[];
  };
  policy?: {
    hash?: string;
    since?: string;
    /** proposals that the caller could stop or approve */
    waiting?: ({
      hash: Sha256;
      proposed_by?: Person | null;
      proposed_at: Time;
      effective_at?: string | null;
    })[];
  };
  /** what keeps people from working, and who can change it */
  missing: {
    code: string;
    detail: string;
    project?: string;
    who_can_change?: Person[];
  }[];
};

export type AuditLog = {
  /** full name: `system`, `p_…`, later generations with `~2` */
  log: string;
  generation: number;
  /** name of the project */
  project?: string;
  origin: string;
  size: number;
  /** sealed: it does not hold together, nothing is added; continued: a later generation goes on */
  state: "open" | "sealed" | "continued";
  /** sealed, or continued because of it: what was found: `shorter` `changed` `refused` `scrub` `damaged` */
  why?: string;
  checkpoint?: {
    size: number;
    /** base64 */
    root: string;
  };
  made_at?: Time;
};

export type Waiting = {
  /** true: a second person has to do the same */
  waiting: boolean;
  expires_at: Time;
};

export type Report = {
  kind: "recording" | "person" | "subject";
  generated_at: Time;
  from?: Time;
  to?: Time;
  /** what it was made of, so that it can be checked */
  logs: {
    log: string;
    size: number;
  }[];
  /** true: there is more than one report holds; take a shorter time */
  more?: boolean;
  items: ReportRow[];
};

export type ReportRow = {
  recording: RecordingId;
  recording_title?: string;
  /** id */
  project?: string;
  viewing?: string;
  /** left out of kind subject */
  person?: Person;
  request?: string;
  grant?: string;
  purpose?: string;
  /** as it was asked; left out of kind subject */
  reason?: string;
  actions?: string[];
  /** first lease */
  from: Time;
  /** last lease or settlement */
  to: Time;
  /** events that were sent, or that must be taken as sent */
  events?: number;
  /** [from_seq, to_seq]; to_seq null: to the end of what there was */
  ranges?: number[][];
  exported?: boolean;
  live?: boolean;
  /** files of it were passed by a gateway */
  gateway?: boolean;
  /** false: some of it was never settled, and counts as seen in full */
  settled?: boolean;
  log: string;
  first_index: number;
  last_index: number;
};

export type AuditEvent = {
  log: string;
  index: number;
  /** the exact bytes of the leaf, a JSON object */
  raw: string;
  /** openings of its salted digests, where the caller may read them */
  facts?: Record<string, unknown>;
};

export type Page<T> = { items: T[]; cursor: string | null };
