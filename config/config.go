// Package config turns the bridge's one YAML file into a validated struct.
//
// Invariants:
//   - Strict: a key that the structs below do not name is an error, as are
//     duplicate keys, wrong types, anchors and tags.
//   - Complete: every fault of a file is reported in one go, each as a Finding
//     with file, line, column, key, problem and remedy. Only a YAML syntax
//     error stands alone, because nothing after it can be read.
//   - One place: names, defaults and bounds are the tags of the structs in this
//     file. The decoder reads them, Effective prints by them, and a test holds
//     bridge.example.yaml to them.
//   - Resolved: a Config has its secrets read, times parsed, relative paths
//     joined to the folder of the file, defaults filled in. Nobody changes it
//     afterwards: what is read again is another Config.
//   - An agents file has the same keys, as YAML or as columns, and is held to the same rules.
//   - Secrets come from files only, and print as ***.
//   - Nothing that other machines reach is open without TLS and a sign-in, apart
//     from the callbacks, which carry signatures.
//
// An empty value ("" or nothing after the colon) means the default, except
// where a tag says empty:"keep".
//
// Tags: yaml is the key; default, min and max are written as in the file; zero
// allows 0 below min; oneof lists the allowed words; match and say are a
// pattern and its meaning in words; why explains a bound; required is the
// remedy when the key is missing; computed is a default that depends on
// another key.
package config

import (
	"crypto/tls"
	"crypto/x509"
	"net/netip"
	"net/url"
	"time"

	"aiccbridge/config/internal/hours"
	"aiccbridge/config/internal/scalar"
	"aiccbridge/config/internal/secret"
)

// Size is a number of bytes, in the file as 500MiB or 2GiB.
type Size = scalar.Size

// WrittenZone is the zone of the times in files: tenant, utc or an IANA name.
type WrittenZone = scalar.WrittenZone

// Secret is a value that no printer, logger or encoder shows: they get ***.
type Secret = secret.Secret

// Week are opening hours by weekday.
type Week = hours.Week

// Config is a whole, valid configuration. Load and Parse make it.
type Config struct {
	NATS      NATS      `yaml:"nats"`
	DataDir   string    `yaml:"data_dir" default:"./data"` // embedded server's or spool's files
	Disk      Disk      `yaml:"disk"`
	Listen    Listen    `yaml:"listen"`
	Callbacks Callbacks `yaml:"callbacks"`
	Shutdown  Shutdown  `yaml:"shutdown"`
	Tenants   []Tenant  `yaml:"tenants" required:"list at least one contact centre, as bridge.example.yaml shows"`
	Log       Log       `yaml:"log"`
	Worker    Worker    `yaml:"worker"`

	// Warnings are findings that do not keep the bridge from running.
	Warnings []Finding `yaml:"-"`

	decoder *decoder `yaml:"-"` // knows where each key is
}

// NATS says where the hub is. An empty URL means the embedded server.
type NATS struct {
	URL               string           `yaml:"url"`              // one or more, separated by commas; empty: embedded
	Context           string           `yaml:"context"`          // instead of URL and all that follows it: a context of the nats command, by name or absolute path
	CredentialsFile   string           `yaml:"credentials_file"` // .creds file; empty: none
	User              string           `yaml:"user" match:"^[^[:cntrl:]]{1,128}$" say:"1 to 128 signs"`
	Password          Secret           `yaml:"password_file"`    // of User
	CAFile            string           `yaml:"ca_file"`          // empty: the system's roots
	RootCAs           *x509.CertPool   `yaml:"-"`                // from CAFile; nil: the system's roots
	CertificateFile   string           `yaml:"certificate_file"` // for servers that ask clients for one
	KeyFile           string           `yaml:"key_file"`
	ClientCertificate *tls.Certificate `yaml:"-"` // from CertificateFile and KeyFile; nil: none
	ManageStreams     bool             `yaml:"manage_streams" default:"true"`
	Replicas          int              `yaml:"replicas" oneof:"1|3|5"`                             // of every stream; 0: 3 where the server can, else 1; external server only
	SpoolBytes        Size             `yaml:"spool_size" default:"10GiB" min:"64MiB" max:"10TiB"` // external server only
	SubjectPrefix     string           `yaml:"subject_prefix" default:"aicc" match:"^[a-z][a-z0-9_-]{0,15}$" say:"a small letter followed by at most 15 small letters, digits, _ or -"`
}

// External reports whether NATS runs elsewhere.
func (n NATS) External() bool { return n.URL != "" || n.Context != "" }

// Disk is what the bridge does about a disk that fills up.
type Disk struct {
	// Reserve is kept in a file that is given up when the disk is full. 0: none.
	Reserve Size `yaml:"reserve" default:"64MiB" min:"1MiB" max:"64GiB" zero:"none"`
}

// Listen holds the addresses (host:port) the bridge opens. Port 0 takes a free
// one. Admin and NATS need TLS and a sign-in where other machines reach them.
type Listen struct {
	Callbacks string `yaml:"callbacks" default:"0.0.0.0:8443"` // what the platform calls

	Admin                string           `yaml:"admin" default:"127.0.0.1:8080" empty:"keep"` // health and metrics; empty: not opened
	AdminCertificateFile string           `yaml:"admin_certificate_file"`
	AdminKeyFile         string           `yaml:"admin_key_file"`
	AdminCertificate     *tls.Certificate `yaml:"-"`                // nil: plain HTTP
	AdminToken           Secret           `yaml:"admin_token_file"` // empty: nobody is asked

	Gateway                string           `yaml:"gateway"` // where clients of a tenant with events: proxy call; empty: not opened
	GatewayCertificateFile string           `yaml:"gateway_certificate_file"`
	GatewayKeyFile         string           `yaml:"gateway_key_file"`
	GatewayCertificate     *tls.Certificate `yaml:"-"` // nil: plain HTTP, on loopback only

	NATS                string           `yaml:"nats" default:"127.0.0.1:4222" empty:"keep"` // embedded server only; empty: in-process only
	NATSCertificateFile string           `yaml:"nats_certificate_file"`
	NATSKeyFile         string           `yaml:"nats_key_file"`
	NATSCertificate     *tls.Certificate `yaml:"-"`          // nil: plain TCP
	NATSUsers           []NATSUser       `yaml:"nats_users"` // empty: nobody is asked
}

// NATSUser may sign in at the embedded server's listener.
type NATSUser struct {
	Name     string `yaml:"name" required:"give the user a name" match:"^[0-9A-Za-z][0-9A-Za-z._-]{0,31}$" say:"1 to 32 letters, digits, dots, _ or -"`
	Password Secret `yaml:"password_file" required:"name the file that holds the user's password"`
	Role     string `yaml:"role" default:"reader" oneof:"reader|backend|admin"` // reader: looks at everything; backend: hands sessions over; admin: may do everything
}

// Callbacks is the endpoint on which the file store says that a file is ready.
type Callbacks struct {
	PublicURL         *url.URL         `yaml:"public_url"` // nil only when no tenant has files
	CertificateFile   string           `yaml:"certificate_file"`
	KeyFile           string           `yaml:"key_file"`
	AllowInsecureHTTP bool             `yaml:"allow_insecure_http" default:"false"` // plain HTTP listener, http:// in PublicURL
	Certificate       *tls.Certificate `yaml:"-"`                                   // nil: plain HTTP listener
	Verify            string           `yaml:"verify" default:"enforce" oneof:"enforce|observe|off"`
	Window            time.Duration    `yaml:"window" default:"15m" min:"0s" max:"24h"` // signature age, either way, of what nobody asked for; 0: any age
	Allow             []netip.Prefix   `yaml:"allow"`                                   // who may call; empty: everybody
	TrustedProxies    []netip.Prefix   `yaml:"trusted_proxies"`                         // whose X-Forwarded-For counts
	PathToken         bool             `yaml:"path_token" default:"false"`              // a secret per request in the callback's path
}

// Shutdown bounds the end of the process.
type Shutdown struct {
	Grace time.Duration `yaml:"grace" default:"30s" min:"1s" max:"1h"` // for files in hand, after the signal
}

// Tenant is one contact centre: a Gateway, Files, or both.
type Tenant struct {
	Name     string         `yaml:"name" required:"give the tenant a short name, for example acme: it appears in subjects" match:"^[a-z0-9][a-z0-9-]{0,31}$" say:"1 to 32 small letters, digits or -, not starting with -"`
	Timezone *time.Location `yaml:"timezone" required:"write the IANA name of the contact centre's time zone, for example Asia/Shanghai"`
	Events   string         `yaml:"events" default:"poll" oneof:"poll|handover|proxy|push|all_agents|monitor"` // how live events come
	Gateway  *Gateway       `yaml:"gateway"`                                                                   // nil: no live events
	Files    *Files         `yaml:"files"`                                                                     // nil: no CDRs, recordings, operations
	Proxy    Proxy          `yaml:"proxy"`                                                                     // of Events: proxy
	Monitor  *Monitor       `yaml:"monitor"`                                                                   // nil: agents are not looked at
	Privacy  Privacy        `yaml:"privacy"`

	Push      Push      `yaml:"push"`
	AllAgents AllAgents `yaml:"all_agents"`

	OpeningHours map[string]string `yaml:"opening_hours"` // by weekdays, as mon-fri; empty: learned
	Hours        *Week             `yaml:"-"`             // from OpeningHours; nil: learned
	Closed       []string          `yaml:"closed"`        // days, as 2027-01-01
}

// Proxy is how clients are served that sign their agents in through the bridge.
type Proxy struct {
	Silence           time.Duration  `yaml:"silence" default:"2m" min:"30s" max:"1h"` // after which a client has gone
	SignOutSilent     bool           `yaml:"sign_out_silent" default:"true"`          // the agent whose last client has gone
	WhenUnstored      string         `yaml:"when_unstored" default:"hold" oneof:"hold|pass"`
	PushHosts         []string       `yaml:"push_hosts" match:"^[0-9A-Za-z.:\\[\\]-]{1,253}$" say:"a host, or host:port"` // that events may be pushed to
	PushCAFile        string         `yaml:"push_ca_file"`
	AllowInsecureHTTP bool           `yaml:"allow_insecure_http" default:"false"` // pushes over plain HTTP to other machines
	PushRootCAs       *x509.CertPool `yaml:"-"`                                   // from PushCAFile; nil: the system's roots
}

// Privacy says what becomes of personal data before anything is stored. Actions
// are keep, mask, hmac and drop.
type Privacy struct {
	PhoneNumbers string            `yaml:"phone_numbers" default:"keep" oneof:"keep|mask|hmac|drop"`
	Fields       map[string]string `yaml:"fields" oneof:"keep|mask|hmac|drop"` // by name of a JSON key or a column, any case; no two differ in case only
	Key          Secret            `yaml:"key_file"`                           // for hmac; at least 16 bytes
}

// Gateway is a tenant's CC-Gateway: live agent events by long polls.
type Gateway struct {
	URL                *url.URL       `yaml:"url" required:"write the gateway's base URL, for example https://gateway.example.com:8043/agentgateway/resource"`
	CAFile             string         `yaml:"ca_file"`
	RootCAs            *x509.CertPool `yaml:"-"` // from CAFile; nil: the system's roots
	InsecureSkipVerify bool           `yaml:"insecure_skip_verify" default:"false"`
	AllowInsecureHTTP  bool           `yaml:"allow_insecure_http" default:"false"`
	AllowLinkLocal     bool           `yaml:"allow_link_local" default:"false"` // also clouds' metadata addresses
	ProxyURL           *url.URL       `yaml:"proxy_url"`                        // a forward proxy on the way; nil: none
	ProxyCredentials   Secret         `yaml:"proxy_credentials_file"`           // user:password for it; empty: none
	ProxyCAFile        string         `yaml:"proxy_ca_file"`
	ProxyRootCAs       *x509.CertPool `yaml:"-"` // from ProxyCAFile, for an https:// proxy; nil: the system's roots
	Hold               time.Duration  `yaml:"hold" default:"10s" min:"0s" max:"60s" why:"the platform signs an agent out after 120 s without a poll"`
	PollTimeout        time.Duration  `yaml:"poll_timeout" computed:"hold + 20s" min:"5s" max:"110s" why:"the platform signs an agent out after 120 s without a poll"`
	EventGap           time.Duration  `yaml:"event_gap" default:"200ms" min:"200ms" max:"500ms" why:"the platform asks for 200 to 500 ms between polls"`
	IdleGap            time.Duration  `yaml:"idle_gap" default:"400ms" min:"200ms" max:"500ms" why:"the platform asks for 200 to 500 ms between polls"`
	ConnectsPerSecond  int            `yaml:"connects_per_second" default:"1000" min:"1" max:"100000"` // new connections, all agents together
	ForceSignIn        bool           `yaml:"force_sign_in" default:"false"`
	SignOutOnShutdown  bool           `yaml:"sign_out_on_shutdown" default:"false"`
	Heartbeat          time.Duration  `yaml:"heartbeat" default:"5m" min:"1s" max:"24h" zero:"off"` // 0: none
	Silence            string         `yaml:"silence" default:"calendar" oneof:"calendar|learned|off"`
	SilenceSlot        time.Duration  `yaml:"silence_slot" default:"15m" min:"10s" max:"24h"` // a day is a multiple of it
	Handover           Handover       `yaml:"handover"`
	Listed             []Agent        `yaml:"agents"`
	AgentsFile         string         `yaml:"agents_file"`  // more of them; empty: none
	SecretsFile        string         `yaml:"secrets_file"` // passwords of those without a file of their own; empty: none
	Clients            bool           `yaml:"-"`            // agents sign in through the bridge, and need not be listed
	Agents             []Agent        `yaml:"-"`            // all, Listed and those of AgentsFile, with their passwords; never empty
}

// Handover is how another system hands the sessions of its agents over (events: handover).
type Handover struct {
	Sealed bool     `yaml:"sealed" default:"true"`                                                                                              // false: sessions stand in the bucket in clear
	Nodes  []string `yaml:"nodes" match:"^https://[^\\s/?#@]+(/[^\\s?#@]*)?$" say:"base URLs that begin with https://, without user and query"` // of the gateway, which an entry may name
}

// Agent is an agent that the bridge signs in.
type Agent struct {
	ID            string `yaml:"id" required:"write the agent's work number, in quotes" match:"^[0-9A-Za-z][0-9A-Za-z._-]{0,23}$" say:"1 to 24 letters, digits, dots, _ or -"`
	Phone         string `yaml:"phone" required:"write the number of the agent's phone, in quotes" match:"^[^\\s[:cntrl:]]{1,24}$" say:"1 to 24 signs without blanks"`
	Password      Secret `yaml:"password_file"` // in Gateway.Agents never empty
	AutoAnswer    bool   `yaml:"auto_answer" default:"true"`
	AutoEnterIdle bool   `yaml:"auto_enter_idle" default:"true"`
	Status        string `yaml:"status" default:"idle" oneof:"idle|busy|wrapup"` // after signing in
	Events        string `yaml:"events" oneof:"poll|handover|proxy|push"`        // empty: as the tenant's
	Team          string `yaml:"team" match:"^[0-9A-Za-z][0-9A-Za-z._-]{0,31}$" say:"1 to 32 letters, digits, dots, _ or -"`
}

// Files is a tenant's CC-FS: CDRs, recording indexes, agent operations.
type Files struct {
	URL                *url.URL       `yaml:"url" required:"write the file store's base URL, for example https://ccfs.example.com:28443/CCFS/resource/ccfs"`
	CAFile             string         `yaml:"ca_file"`
	RootCAs            *x509.CertPool `yaml:"-"` // from CAFile; nil: the system's roots
	InsecureSkipVerify bool           `yaml:"insecure_skip_verify" default:"false"`
	AllowInsecureHTTP  bool           `yaml:"allow_insecure_http" default:"false"`
	AllowLinkLocal     bool           `yaml:"allow_link_local" default:"false"` // also clouds' metadata addresses
	AccessKey          string         `yaml:"access_key" required:"write the developer's access key (AK); callbacks are told apart by it" match:"^[^\\s/;[:cntrl:]]{1,128}$" say:"1 to 128 signs without blanks, / or ;"`
	SecretKey          Secret         `yaml:"secret_key_file" required:"name the file that holds the developer's secret key (SK)"`
	AccountID          string         `yaml:"account_id" match:"^[^\\s[:cntrl:]]{1,20}$" say:"1 to 20 signs without blanks"`
	SignedHeaders      string         `yaml:"signed_headers" default:"all" oneof:"all|host"`
	EmptyQueryLine     bool           `yaml:"empty_query_line" default:"false"`
	ProxyURL           *url.URL       `yaml:"proxy_url"` // these four as for the gateway
	ProxyCredentials   Secret         `yaml:"proxy_credentials_file"`
	ProxyCAFile        string         `yaml:"proxy_ca_file"`
	ProxyRootCAs       *x509.CertPool `yaml:"-"`
	RequestSpacing     time.Duration  `yaml:"request_spacing" default:"15s" min:"0s" max:"1h"`
	MaxOutstanding     int            `yaml:"max_outstanding" default:"3" min:"1" max:"100"`
	BackfillShare      int            `yaml:"backfill_share" default:"50" min:"1" max:"100"` // of a hundred requests
	Overdue            time.Duration  `yaml:"overdue" default:"15m" min:"1s" max:"24h"`
	Header             string         `yaml:"header" default:"auto" oneof:"auto|present|absent"`
	Charset            string         `yaml:"charset" default:"auto" oneof:"auto|utf-8|gb18030"`
	Zone               WrittenZone    `yaml:"zone" default:"tenant"`                               // of the times in the files
	Edition            string         `yaml:"edition" default:"auto" oneof:"auto|18|21|23|29"`     // columns of a CDR without a header line
	Names              bool           `yaml:"names" default:"true"`                                // rows say what codes mean
	Calls              bool           `yaml:"calls" default:"true"`                                // made of rows; none without those of cdr
	Reconcile          time.Duration  `yaml:"reconcile" default:"2s" min:"0s" max:"1m" zero:"off"` // 0: live events are not compared with the rows
	Extracts           Extracts       `yaml:"extracts"`
	Recordings         Recordings     `yaml:"recordings"`
}

// Recordings says what becomes of the audio that the rows of kind recording name.
type Recordings struct {
	Mode          string        `yaml:"mode" default:"off" oneof:"off|fetch"`
	Back          time.Duration `yaml:"back" default:"720h" min:"1h" max:"9600h" why:"rows are kept for 400 days"` // how old a call may be
	Agents        []string      `yaml:"agents"`                                                                    // whose; empty: everybody's
	Order         []string      `yaml:"order" default:"file_name,original_file_name" oneof:"file_name|original_file_name|call_id|obs"`
	PerMinute     int           `yaml:"per_minute" default:"30" min:"1" max:"6000"` // requests, of all bridges
	RetryAfter    time.Duration `yaml:"retry_after" default:"1m" min:"1s" max:"6h"`
	GiveUpAfter   time.Duration `yaml:"give_up_after" default:"24h" min:"1s" max:"720h"`
	MaxBytes      Size          `yaml:"max_size" default:"64MiB" min:"64KiB" max:"1GiB" why:"a recording is held in memory while it is fetched"`
	Keep          time.Duration `yaml:"keep" default:"2160h" min:"1h" max:"87600h" zero:"for ever"`
	KeepBytes     Size          `yaml:"keep_size" default:"10GiB" min:"1MiB" max:"1024TiB" zero:"no limit"` // of the tenant, as kept
	Store         string        `yaml:"store" default:"nats" oneof:"nats|folder|s3"`
	Folder        string        `yaml:"folder_dir"` // store: folder only
	S3            S3            `yaml:"s3"`         // store: s3 only
	EncryptionKey Secret        `yaml:"encryption_key_file"`
}

// Fetch reports whether audio is fetched.
func (r Recordings) Fetch() bool { return r.Mode == "fetch" }

// S3 is a bucket of an S3-compatible store.
type S3 struct {
	URL       *url.URL       `yaml:"url"`
	Region    string         `yaml:"region" match:"^[0-9A-Za-z-]{1,64}$" say:"1 to 64 letters, digits or -"`
	Bucket    string         `yaml:"bucket" match:"^[0-9a-z][0-9a-z.-]{2,62}$" say:"3 to 63 small letters, digits, dots or -"`
	Prefix    string         `yaml:"prefix" match:"^[0-9A-Za-z._/-]{1,128}$" say:"1 to 128 letters, digits, dots, _, / or -"`
	AccessKey Secret         `yaml:"access_key_file"`
	SecretKey Secret         `yaml:"secret_key_file"`
	CAFile    string         `yaml:"ca_file"`
	RootCAs   *x509.CertPool `yaml:"-"` // from CAFile; nil: the system's roots
}

// Extracts holds one Extract per kind; nil means that the kind is not extracted.
type Extracts struct {
	CDR       *Extract `yaml:"cdr"`
	Recording *Extract `yaml:"recording"`
	Operation *Extract `yaml:"operation"`
	Skill     *Extract `yaml:"skill"`
}

// namedExtract is an Extract with its kind; nil if that is not extracted.
type namedExtract struct {
	kind string
	*Extract
}

// all are the kinds in a fixed order.
func (e Extracts) all() []namedExtract {
	return []namedExtract{{"cdr", e.CDR}, {"recording", e.Recording}, {"operation", e.Operation}, {"skill", e.Skill}}
}

// Extract says how one kind is cut into windows.
type Extract struct {
	Window     time.Duration   `yaml:"window" default:"1h" min:"1s" max:"72h" why:"the platform extracts at most 3 days at once"`
	Settle     time.Duration   `yaml:"settle" default:"15m" min:"0s" max:"168h"`
	SweepAgain []time.Duration `yaml:"sweep_again" default:"6h,24h" min:"1s" max:"720h"` // after the window's end, ascending; [] = never
	Zone       WrittenZone     `yaml:"zone"`                                             // empty: Files.Zone
	Silence    string          `yaml:"silence" computed:"calendar for cdr, else learned" oneof:"calendar|learned|off"`
	Since      time.Time       `yaml:"since"` // zero: the start of the tenant's day at first start
}

// Each returns the kinds that are extracted, in a fixed order.
func (e Extracts) Each() []KindExtract {
	var all []KindExtract
	for _, k := range e.all() {
		if k.Extract != nil {
			all = append(all, KindExtract{Kind: k.kind, Extract: *k.Extract})
		}
	}
	return all
}

// KindExtract is an Extract with the kind it is for: cdr, recording, operation or skill.
type KindExtract struct {
	Kind string
	Extract
}

// Log is how the bridge logs to standard error.
type Log struct {
	Level  string `yaml:"level" default:"info" oneof:"debug|info|warn|error"`
	Format string `yaml:"format" default:"auto" oneof:"auto|console|json"` // auto: console on a terminal, JSON otherwise
}

// Worker bounds the work on one downloaded file.
type Worker struct {
	Count       int `yaml:"count" default:"2" min:"1" max:"64"`
	MaxAttempts int `yaml:"max_attempts" default:"10" min:"1" max:"1000"`
	// RetryAfter is how long after a failure a window is asked for again; it
	// doubles with each failure in a row, up to an hour; after five it is six hours.
	RetryAfter       time.Duration `yaml:"retry_after" default:"1m" min:"1s" max:"1h"`
	MaxZIPBytes      Size          `yaml:"max_zip" default:"2GiB" min:"1MiB" max:"1TiB"`
	MaxUnpackedBytes Size          `yaml:"max_unpacked" default:"10GiB" min:"1MiB" max:"10TiB"`
	MaxRatio         int           `yaml:"max_ratio" default:"200" min:"2" max:"100000"` // unpacked to packed, against ZIP bombs
	// Memory is what a file may take up in memory; what it has no room for is in data_dir.
	Memory     Size `yaml:"memory" default:"64MiB" min:"16MiB" max:"1TiB"`
	Recordings int  `yaml:"recordings" default:"1" min:"1" max:"16"` // fetched at the same time
}
