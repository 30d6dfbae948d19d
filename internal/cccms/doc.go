// Package cccms is the client of the platform's monitor (CC-CMS): where agents stand, by
// looking (cec_07_0598, 0599, 0610, 0627, 0632, 0708), and whether it answers (0687). To look
// takes nothing from anybody: no session, no event, nobody signs in or out. It speaks the
// platform's language only.
//
// Requests are signed and refused, and their answers read, as those of package ccfs: a second
// wrong signature in a row, or a lock, stops the calls of a client for a while.
//
// What the platform sends that is not meant as it stands:
//
//   - resultDesc holds the data of a success, and a text in a failure; resultDatas is a copy
//     that some calls lack. Older calls have the latter alone, and "result" instead of
//     "resultCode".
//   - 0 is a state, signed out, and never an absent value.
//   - An agent who is not signed in has times of the year 2106 and 65535 for a reason.
//   - Any number may be quoted, a name in any case; ctiStatus is also spelled citStatus.
//   - Stand-alone CTI 3.6 lacks calls (0100003): they are not made again, another one is.
package cccms
