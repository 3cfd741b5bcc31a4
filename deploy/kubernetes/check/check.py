"""Checks the objects of a built overlay against the schemas of their kinds.

    check.py OBJECTS.yaml CRDS...

Kubernetes' own kinds go to kubernetes-validate, in its strict mode. The others must be served by a custom resource
definition of the folders CRDS; what a definition does not name is refused there too, as the API server would drop it.
"""

import pathlib
import sys

import jsonschema
import kubernetes_validate
import yaml

KUBERNETES = "1.37"


def closed(schema):
    """A definition's schema as JSON Schema, in which only what it names may stand."""
    if isinstance(schema, list):
        return [closed(it) for it in schema]
    if not isinstance(schema, dict):
        return schema
    out = {key: closed(value) for key, value in schema.items()}
    if schema.get("x-kubernetes-int-or-string"):
        out.pop("type", None)
        out["anyOf"] = [{"type": "integer"}, {"type": "string"}]
    if isinstance(schema.get("properties"), dict):
        # The properties themselves, not a property of that name.
        out["properties"] = {key: closed(value) for key, value in schema["properties"].items()}
        if "additionalProperties" not in schema and not schema.get("x-kubernetes-preserve-unknown-fields"):
            out["additionalProperties"] = False
    return out


def definitions(folders):
    """The schema of every served (apiVersion, kind)."""
    found = {}
    for path in sorted(it for folder in folders for it in pathlib.Path(folder).glob("*.yaml")):
        for crd in yaml.safe_load_all(path.read_text()):
            if not crd or crd.get("kind") != "CustomResourceDefinition":
                continue
            for version in crd["spec"]["versions"]:
                if version["served"]:
                    schema = closed(version["schema"]["openAPIV3Schema"])
                    # Kubernetes' own part of every object.
                    schema["properties"] |= {"apiVersion": {}, "kind": {}, "metadata": {"type": "object"}}
                    found[f"{crd['spec']['group']}/{version['name']}", crd["spec"]["names"]["kind"]] = schema
    return found


def main(objects, *folders):
    schemas = definitions(folders)
    n_objects, wrong = 0, []
    for it in yaml.safe_load_all(pathlib.Path(objects).read_text()):
        n_objects += 1
        name = f"{it['kind']} {it['metadata']['name']}"
        schema = schemas.get((it["apiVersion"], it["kind"]))
        try:
            if schema is not None:
                jsonschema.Draft202012Validator(schema).validate(it)
            else:
                kubernetes_validate.validate(it, KUBERNETES, strict=True)
        except jsonschema.ValidationError as error:
            wrong.append(f"{name}: {'.'.join(map(str, error.absolute_path))}: {error.message}")
        except kubernetes_validate.ValidationError as error:
            wrong.append(f"{name}: {'.'.join(map(str, error.path))}: {error.message}")
        except (kubernetes_validate.SchemaNotFoundError, kubernetes_validate.InvalidSchemaError) as error:
            wrong.append(f"{name}: {it['apiVersion']} is of no known kind ({error})")
    for line in wrong:
        print(f"{objects}: {line}", file=sys.stderr)
    if wrong or n_objects == 0:
        sys.exit(f"{objects}: {len(wrong)} of {n_objects} objects are wrong")
    print(f"{pathlib.Path(objects).stem}: {n_objects} objects, each as its schema wants it")


if __name__ == "__main__":
    if len(sys.argv) < 3:
        sys.exit(__doc__)
    main(*sys.argv[1:])
