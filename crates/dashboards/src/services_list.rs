//! `deploy/services`: the services, for scripts.

use std::fmt::Write as _;

use shadowline_services::Table;

const HEAD: &str = "\
# Made by `make dashboards` from the table of services (crates/services), for the scripts of deploy/. A line is a
# service: its name, its ports of HTTP and gRPC, the setting that says where it keeps its data, and the place for it.
";

/// The file for a table of services; `-` stands for what a service does not have.
pub fn services_list(services: Table) -> String {
    let mut list = HEAD.to_owned();
    for service in services {
        let grpc = service.grpc.map_or_else(|| "-".to_owned(), |it| it.to_string());
        let (setting, place) = service.keeps.map_or(("-", "-"), |it| (it.setting, it.place));
        writeln!(list, "{} {} {grpc} {setting} {place}", service.name, service.http)
            .expect("a text can be written to");
    }
    list
}
