//! What takes other systems to be tested: `make test-systems` installs them and runs these tests, which `make test` leaves out.

mod browser;
mod cgroups;
mod containers;
mod docs_page;
mod engine;
mod incus;
mod openstack;
mod regions;
mod vcenter;
