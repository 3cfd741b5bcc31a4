//! Every REST route and every gRPC method of this server, with the role that it needs.

use shadowline_api::Role;
use shadowline_service::routes::Declared;
use shadowline_service::{docs, http};

use crate::rest;

/// Predictions are open to clients, and so is how to ask for one.
pub(crate) const DOCS: Role = Role::Public;

/// Returns every REST route with the role that it needs.
pub fn routes() -> Vec<Declared> {
    [
        http::declared(),
        docs::routes(DOCS, "", String::new()).into_declared(),
        rest::declared(),
        shadowline_packages::declared(),
    ]
    .concat()
}

/// Returns every gRPC method with the role that it needs.
pub fn grpc_methods() -> Vec<Declared> {
    use Role::{Admin, Predict, Public, Read};
    [
        ("/shadowline.serving.v1.PredictionService/Predict", Predict),
        ("/inference.GRPCInferenceService/ServerLive", Public),
        ("/inference.GRPCInferenceService/ServerReady", Public),
        ("/inference.GRPCInferenceService/ServerMetadata", Public),
        ("/inference.GRPCInferenceService/ModelReady", Predict),
        ("/inference.GRPCInferenceService/ModelMetadata", Predict),
        ("/inference.GRPCInferenceService/ModelInfer", Predict),
        ("/inference.GRPCInferenceService/ModelStreamInfer", Predict),
        ("/inference.GRPCInferenceService/ModelConfig", Predict),
        ("/inference.GRPCInferenceService/ModelStatistics", Read),
        ("/inference.GRPCInferenceService/SystemSharedMemoryStatus", Predict),
        ("/inference.GRPCInferenceService/SystemSharedMemoryRegister", Predict),
        ("/inference.GRPCInferenceService/SystemSharedMemoryUnregister", Predict),
        ("/inference.GRPCInferenceService/CudaSharedMemoryStatus", Predict),
        ("/inference.GRPCInferenceService/CudaSharedMemoryRegister", Predict),
        ("/inference.GRPCInferenceService/CudaSharedMemoryUnregister", Predict),
        ("/inference.GRPCInferenceService/TraceSetting", Admin),
        ("/inference.GRPCInferenceService/LogSettings", Admin),
        ("/inference.GRPCInferenceService/RepositoryIndex", Read),
        ("/inference.GRPCInferenceService/RepositoryModelLoad", Admin),
        ("/inference.GRPCInferenceService/RepositoryModelUnload", Admin),
        ("/grpc.health.v1.Health/Check", Public),
        ("/grpc.health.v1.Health/Watch", Public),
        ("/grpc.reflection.v1.ServerReflection/ServerReflectionInfo", Public),
        ("/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo", Public),
    ]
    .map(|(path, role)| Declared { path, method: "POST", role })
    .to_vec()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use prost::Message;
    use prost_types::FileDescriptorSet;
    use shadowline_service::agreement::differences;

    use super::*;

    /// The services that `server/ports.rs` adds, as they describe themselves.
    const DESCRIPTORS: [&[u8]; 4] = [
        shadowline_wire::FILE_DESCRIPTOR_SET,
        tonic_health::pb::FILE_DESCRIPTOR_SET,
        tonic_reflection::pb::v1::FILE_DESCRIPTOR_SET,
        tonic_reflection::pb::v1alpha::FILE_DESCRIPTOR_SET,
    ];

    #[test]
    fn every_method_of_grpc_declares_its_role() {
        let mut described = BTreeSet::new();
        for set in DESCRIPTORS {
            for file in FileDescriptorSet::decode(set).unwrap().file {
                for service in &file.service {
                    for method in &service.method {
                        let (package, service) = (file.package(), service.name());
                        described.insert(format!("/{package}.{service}/{}", method.name()));
                    }
                }
            }
        }
        let declared: Vec<_> = grpc_methods().iter().map(|it| it.path.to_owned()).collect();
        assert_eq!(BTreeSet::from_iter(declared.clone()), described);
        assert_eq!(declared.len(), described.len(), "a method is declared twice");
    }

    #[test]
    fn the_openapi_document_has_every_route_and_no_other() {
        assert_eq!(differences(&routes(), &crate::openapi_json()), Vec::<String>::new());
    }

    #[test]
    fn predicting_and_administrating_are_different_roles() {
        let role = |all: &[Declared], path: &str, method: &str| {
            all.iter().find(|it| (it.path, it.method) == (path, method)).unwrap().role
        };
        let (rest, grpc) = (routes(), grpc_methods());
        for (path, expected) in [
            ("/inference.GRPCInferenceService/ModelInfer", Role::Predict),
            ("/inference.GRPCInferenceService/RepositoryModelLoad", Role::Admin),
        ] {
            assert_eq!(role(&grpc, path, "POST"), expected, "{path}");
        }
        for (method, path, expected) in [
            ("POST", "/v1/models/{name}:predict", Role::Predict),
            ("POST", "/v1/models", Role::Admin),
            ("GET", "/v1/models", Role::Read),
            ("DELETE", "/v1/models/{name}", Role::Admin),
            ("POST", "/v2/repository/models/{name}/load", Role::Admin),
            ("GET", "/readyz", Role::Public),
        ] {
            assert_eq!(role(&rest, path, method), expected, "{method} {path}");
        }
    }
}
