// Package softphone has the interfaces of the simulated CC-Gateway with which a client
// controls calls, chats and playback, and looks at what is going on. It reads and judges
// requests, has the phone of the agent (package world/phone) do it, and knows which
// retcode a refusal is. The meaning of the codes within 200, 400, 500 and 700 follows
// the order in which the platform's page lists their subjects; the numbers are ours.
package softphone
