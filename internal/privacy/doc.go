// Package privacy alters personal data, phone numbers above all, before anything
// is stored. A [Policy] says per field what stays of it:
//
//	keep   everything
//	mask   the first 3 and the last 2 signs; of 5 signs or fewer, none
//	hmac   "hmac:" and 32 hex digits, keyed: equal values stay equal, nobody without
//	       the key can find out a number by trying all of them
//	drop   nothing, the key or the cell is gone
//
// Invariants:
//
//   - Fields go by their names, in JSON at any depth and in CSV. Neither case nor
//     "_", "-" and blanks count, so callerNo and caller_no are one field.
//   - Valid JSON stays valid JSON, and what no field names stays byte for byte.
//   - The same value gives the same result wherever it stands: in an event as
//     string or number, in a row, between blanks or not. Nothing else is
//     normalised: +86 10 and 010 are two values.
//   - Applied twice it does what it does once. An hmac, though, is taken for one by
//     its form, so a foreign value of that form passes.
//   - What cannot be decoded has no names. All that looks like a phone number is
//     masked in it, if the policy alters anything at all ([Policy.Text]).
//   - No method fails, none writes to what it is given.
//
// It imports the standard library and internal/jsonwalk, which knows where the parts of a
// JSON text are.
package privacy
