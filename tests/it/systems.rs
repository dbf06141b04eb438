//! What takes other systems to be tested: `make test-systems` installs them and runs these tests, which `make test` leaves out.

mod browser;
mod docs_page;
mod regions;
mod vcenter;
