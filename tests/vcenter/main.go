// A vCenter Server or an ESXi host for the tests: govmomi's simulator, which has an inventory of its own and changes it as it
// is asked to.
//
//	simulator vcenter|esxi ADDRESS USER PASSWORD OBJECTS
//
// It prints its URL once it listens. It gives at most OBJECTS objects on a page: by itself the simulator gives all at once,
// as a server may.
package main

import (
	"fmt"
	"log"
	"net/url"
	"os"
	"strconv"

	"github.com/vmware/govmomi/simulator"
	"github.com/vmware/govmomi/simulator/esx"
	"github.com/vmware/govmomi/simulator/vpx"
	"github.com/vmware/govmomi/vim25/methods"
	"github.com/vmware/govmomi/vim25/soap"
	"github.com/vmware/govmomi/vim25/types"
)

// The most objects on a page.
var pageSize int

// collector gives what is retrieved in pages. The simulator makes one for each session.
type collector struct {
	simulator.PropertyCollector
	rest   []types.ObjectContent
	tokens int
}

// RetrievePropertiesEx begins a list, and with it ends the one before in this session.
func (c *collector) RetrievePropertiesEx(ctx *simulator.Context, r *types.RetrievePropertiesEx) soap.HasFault {
	answer := c.PropertyCollector.RetrievePropertiesEx(ctx, r)
	c.rest = nil
	if body, ok := answer.(*methods.RetrievePropertiesExBody); ok && body.Res != nil {
		result := body.Res.Returnval
		c.rest = result.Objects
		result.Objects, result.Token = c.page()
	}
	return answer
}

// ContinueRetrievePropertiesEx gives the next page of the list that its token is of.
func (c *collector) ContinueRetrievePropertiesEx(_ *simulator.Context, r *types.ContinueRetrievePropertiesEx) soap.HasFault {
	body := &methods.ContinueRetrievePropertiesExBody{}
	if c.rest == nil || r.Token != c.token() {
		body.Fault_ = simulator.Fault("", &types.InvalidProperty{Name: "token"})
		return body
	}
	objects, token := c.page()
	body.Res = &types.ContinueRetrievePropertiesExResponse{
		Returnval: types.RetrieveResult{Objects: objects, Token: token},
	}
	return body
}

// page takes the next page from the rest, with the token to the one behind it.
func (c *collector) page() ([]types.ObjectContent, string) {
	page := c.rest
	if len(page) <= pageSize {
		c.rest = nil
		return page, ""
	}
	page, c.rest = page[:pageSize], page[pageSize:]
	c.tokens++
	return page, c.token()
}

func (c *collector) token() string {
	return strconv.Itoa(c.tokens)
}

func main() {
	if len(os.Args) != 6 {
		log.Fatal("simulator vcenter|esxi ADDRESS USER PASSWORD OBJECTS")
	}
	server, address, user, password := os.Args[1], os.Args[2], os.Args[3], os.Args[4]
	objects, err := strconv.Atoi(os.Args[5])
	if err != nil || objects < 1 {
		log.Fatal("OBJECTS is a number from 1 on")
	}
	pageSize = objects
	// A data center with a cluster of three hosts and a host by itself: eight virtual machines.
	model, content := simulator.VPX(), vpx.ServiceContent
	if server == "esxi" {
		model, content = simulator.ESX(), esx.ServiceContent
	}
	model.Machine = 4
	if err := model.Create(); err != nil {
		log.Fatal(err)
	}
	paged := &collector{}
	paged.Self = content.PropertyCollector
	simulator.Map.Put(paged)
	model.Service.Listen = &url.URL{Host: address, User: url.UserPassword(user, password)}
	fmt.Println(model.Service.NewServer().URL.Redacted())
	select {}
}
