// Package export_tracker_driver_inventory is a driver in Go, for a provider that is made up: servers in pages of
// JSON, and zones. Everything beside this file is made from the contract by wit-bindgen.
package export_tracker_driver_inventory

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/netip"
	"net/url"
	"runtime"
	"runtime/debug"
	"slices"
	"strconv"
	"strings"
	"time"

	types "go.bytecodealliance.org/pkg/wit/types"
	"wit_component/tracker_driver_credentials"
	. "wit_component/tracker_driver_inventory"
	"wit_component/wasi_http_outgoing_handler"
	"wit_component/wasi_http_types"
	"wit_component/wasi_io_streams"
)

const endpoint = "https://api.go-cloud.example"

// Garbage is collected between pages, and at no other time. While the host writes an argument or an answer into the
// sandbox, nothing may be called, and the collector would read the clock: the sandbox ends that.
func init() {
	debug.SetGCPercent(-1)
}

func Describe() Description {
	return Description{
		Name:      "go-cloud",
		Title:     "Go Cloud",
		Version:   "0.1.0",
		Providers: []Provider{{Name: "main", Endpoint: endpoint}},
		// The host lets no request go anywhere else.
		Endpoints: []string{endpoint},
	}
}

// A page of servers. The list is a pointer, so that an answer without it is told from an empty one.
type servers struct {
	Servers          *[]server `json:"servers"`
	Next             *string   `json:"next"`
	UnreachableZones []string  `json:"unreachable_zones"`
}

type server struct {
	ID        string            `json:"id"`
	Name      *string           `json:"name"`
	Status    string            `json:"status"`
	Zone      *string           `json:"zone"`
	Image     *string           `json:"image"`
	Size      *string           `json:"size"`
	CreatedAt string            `json:"created_at"`
	PublicIP  *string           `json:"public_ip"`
	PrivateIP *string           `json:"private_ip"`
	Labels    map[string]string `json:"labels"`
}

type zones struct {
	Zones *[]struct {
		ID         string  `json:"id"`
		Name       string  `json:"name"`
		Status     string  `json:"status"`
		MaxServers *uint64 `json:"max_servers"`
	} `json:"zones"`
}

func ListInstances(account Account, query Query) types.Result[InstancePage, Error] {
	runtime.GC()
	path := "/v1/servers?limit=100"
	if query.Cursor.IsSome() {
		path += "&after=" + url.QueryEscape(query.Cursor.Some())
	}
	var answer servers
	if err := get(account, path, &answer); err != nil {
		return types.Err[InstancePage](*err)
	}
	if answer.Servers == nil {
		return types.Err[InstancePage](MakeErrorUnexpectedAnswer("GET /v1/servers: the answer has no list of servers"))
	}
	page := InstancePage{Next: option(answer.Next), Coverage: MakeCoverageComplete()}
	if len(answer.UnreachableZones) > 0 {
		// Only what a complete list does not show is gone.
		page.Coverage = MakeCoveragePartial("these zones did not answer: " + strings.Join(answer.UnreachableZones, ", "))
	}
	for _, one := range *answer.Servers {
		if one.ID == "" || one.Status == "" {
			return types.Err[InstancePage](MakeErrorUnexpectedAnswer("GET /v1/servers: a server has no id or no status"))
		}
		page.Items = append(page.Items, instance(one))
	}
	return types.Ok[InstancePage, Error](page)
}

func ListRealms(account Account, _ Query) types.Result[RealmPage, Error] {
	var answer zones
	if err := get(account, "/v1/zones", &answer); err != nil {
		return types.Err[RealmPage](*err)
	}
	if answer.Zones == nil {
		return types.Err[RealmPage](MakeErrorUnexpectedAnswer("GET /v1/zones: the answer has no list of zones"))
	}
	page := RealmPage{Coverage: MakeCoverageComplete()}
	for _, zone := range *answer.Zones {
		if zone.ID == "" {
			return types.Err[RealmPage](MakeErrorUnexpectedAnswer("GET /v1/zones: a zone has no id"))
		}
		state := RealmState_Unavailable
		if zone.Status == "up" {
			state = RealmState_Available
		}
		page.Items = append(page.Items, Realm{Id: zone.ID, Name: zone.Name, State: state, Limit: option(zone.MaxServers)})
	}
	return types.Ok[RealmPage, Error](page)
}

func instance(one server) Instance {
	item := Instance{
		Id:              one.ID,
		Name:            option(one.Name),
		Realm:           option(one.Zone),
		Image:           option(one.Image),
		HardwareProfile: option(one.Size),
		State:           state(one.Status),
		ProviderState:   one.Status,
	}
	if made, err := time.Parse(time.RFC3339, one.CreatedAt); err == nil {
		item.LaunchedAt = types.Some(made.UnixMilli())
	}
	item.PublicAddresses = addresses(one.PublicIP)
	item.PrivateAddresses = addresses(one.PrivateIP)
	// A map has no order, and the same answer has to give the same list.
	for _, name := range slices.Sorted(maps.Keys(one.Labels)) {
		item.Labels = append(item.Labels, types.Tuple2[string, string]{F0: name, F1: one.Labels[name]})
	}
	return item
}

// A text as what it is, whatever the provider calls it. The unspecified address is none.
func addresses(text *string) []Address {
	if text == nil || *text == "" {
		return nil
	}
	kind := AddressKind_Hostname
	if ip, err := netip.ParseAddr(*text); err == nil && ip.Zone() == "" {
		if ip.IsUnspecified() {
			return nil
		}
		kind = AddressKind_Ipv6
		if ip.Is4() {
			kind = AddressKind_Ipv4
		}
	}
	return []Address{{Kind: kind, Value: *text}}
}

// A word that is not known here is unknown: never a guess, and never an error.
func state(word string) InstanceState {
	switch word {
	case "creating":
		return InstanceState_Pending
	case "running":
		return InstanceState_Running
	case "stopping":
		return InstanceState_Stopping
	case "stopped":
		return InstanceState_Stopped
	case "deleting":
		return InstanceState_ShuttingDown
	case "deleted":
		return InstanceState_Finish
	case "failed":
		return InstanceState_Error
	}
	return InstanceState_Unknown
}

// The answer to a GET, read from JSON; or the contract's error of what came instead.
func get(account Account, path string, into any) *Error {
	asked, _, _ := strings.Cut("GET "+path, "?")
	failed := func(make func(string) Error, why string) *Error {
		err := make(asked + ": " + why)
		return &err
	}
	scheme, rest, found := strings.Cut(account.Endpoint, "://")
	if !found {
		return failed(MakeErrorInvalidAccount, "the endpoint has no scheme")
	}
	// An endpoint may have a path, below which everything lies.
	host, below, _ := strings.Cut(rest, "/")
	if below != "" {
		path = "/" + below + path
	}
	// The token is put in by the host, on the way out. This is a word that stands for it.
	token := tracker_driver_credentials.Placeholder("password", tracker_driver_credentials.Encoding_Raw)
	if token.IsErr() {
		return failed(MakeErrorInvalidAccount, "the account has no password")
	}
	headers := wasi_http_types.MakeFields()
	headers.Append("authorization", []byte("Bearer "+token.Ok()))
	headers.Append("accept", []byte("application/json"))
	request := wasi_http_types.MakeOutgoingRequest(headers)
	kind := wasi_http_types.MakeSchemeHttps()
	if scheme == "http" {
		kind = wasi_http_types.MakeSchemeHttp()
	}
	request.SetScheme(types.Some(kind))
	request.SetAuthority(types.Some(host))
	request.SetPathWithQuery(types.Some(path))

	none := types.None[*wasi_http_types.RequestOptions]()
	coming := wasi_http_outgoing_handler.Handle(request, none)
	if coming.IsErr() {
		if coming.Err().Tag() == wasi_http_types.ErrorCode_HttpRequestDenied {
			return failed(MakeErrorInvalidAccount, "the host does not allow it")
		}
		return failed(MakeErrorUnavailable, "it can't be sent")
	}
	ready := coming.Ok().Subscribe()
	ready.Block()
	ready.Drop()
	came := coming.Ok().Get()
	if came.IsNone() || came.Some().IsErr() || came.Some().Ok().IsErr() {
		return failed(MakeErrorUnavailable, "no answer came")
	}
	response := came.Some().Ok().Ok()
	defer response.Drop()
	if status := response.Status(); status != 200 {
		return refused(response, asked, status)
	}
	body, whole := read(response)
	if !whole {
		return failed(MakeErrorUnavailable, "the answer broke off")
	}
	if err := json.Unmarshal(body, into); err != nil {
		if err, broken := err.(*json.SyntaxError); broken && err.Offset >= int64(len(body)) && len(body) > 0 {
			return failed(MakeErrorUnavailable, "the answer broke off")
		}
		return failed(MakeErrorUnexpectedAnswer, "the answer is not the JSON expected")
	}
	return nil
}

// What a status means.
func refused(response *wasi_http_types.IncomingResponse, asked string, status uint16) *Error {
	why := fmt.Sprintf("%s answered %d", asked, status)
	headers := response.Headers()
	defer headers.Drop()
	wait := types.None[uint32]()
	if given := headers.Get("retry-after"); len(given) > 0 {
		if seconds, err := strconv.ParseUint(string(given[0]), 10, 32); err == nil {
			wait = types.Some(uint32(seconds))
		}
	}
	err := MakeErrorUnexpectedAnswer(why)
	switch {
	case status == 401:
		err = MakeErrorUnauthorized(why)
	case status == 403:
		err = MakeErrorForbidden(why)
	case status == 429:
		err = MakeErrorThrottled(Throttle{RetryAfter: wait, Message: why})
	case status >= 500:
		err = MakeErrorUnavailable(why)
	}
	return &err
}

// The whole body, and whether it is whole.
func read(response *wasi_http_types.IncomingResponse) ([]byte, bool) {
	consumed := response.Consume()
	if consumed.IsErr() {
		return nil, false
	}
	defer consumed.Ok().Drop()
	opened := consumed.Ok().Stream()
	if opened.IsErr() {
		return nil, false
	}
	defer opened.Ok().Drop()
	var body []byte
	for {
		piece := opened.Ok().BlockingRead(1 << 16)
		if piece.IsErr() {
			end := piece.Err()
			return body, end.Tag() == wasi_io_streams.StreamError_Closed
		}
		body = append(body, piece.Ok()...)
	}
}

func option[T any](value *T) types.Option[T] {
	if value == nil {
		return types.None[T]()
	}
	return types.Some(*value)
}
