"""The whole graph as a person sees it; `pytest --snapshot-update` after a change that was meant."""

import json

from autoresearch_dagster.core.limits import GIB
from autoresearch_dagster.core.resources import AGENT, BUNDLE, EXPERIMENT
from autoresearch_dagster.core.settings import PROJECT_ROOT
from autoresearch_dagster.definitions import defs
from autoresearch_dagster.defs.tags import docker_context, resource_tags


def described(node):
    return {
        "depends on": sorted(key.to_user_string() for key in node.parent_keys),
        "group": node.group_name,
        "kinds": sorted(node.kinds),
        "owners": list(node.owners),
        "partitions": type(node.partitions_def).__name__ if node.partitions_def else None,
        "description": node.description,
    }


def test_the_graph_is_the_one_that_was_meant(snapshot):
    graph = defs.resolve_asset_graph()
    repository = defs.get_repository_def()
    jobs = {job.name: job for job in repository.get_all_jobs() if not job.name.startswith("__")}

    assert {
        "assets": {key.to_user_string(): described(graph.get(key)) for key in sorted(graph.get_all_asset_keys())},
        "checks": {
            f"{key.asset_key.to_user_string()}: {key.name}": graph.get_check_spec(key).description
            for key in sorted(graph.asset_check_keys, key=str)
        },
        "jobs": {
            name: {
                "ops": {node.name: dict(node.definition.tags) for node in job.graph.nodes},
                "executor": job.executor_def.name,
                "tags": dict(job.tags),
                "description": job.description,
            }
            for name, job in sorted(jobs.items())
        },
        "sensors": {
            sensor.name: {
                "job": sensor.job_name,
                "every seconds": sensor.minimum_interval_seconds,
                "at first": sensor.default_status.value,
                "description": sensor.description,
            }
            for sensor in sorted(repository.sensor_defs, key=lambda sensor: sensor.name)
        },
        "schedules": sorted(schedule.name for schedule in repository.schedule_defs),
    } == snapshot


def test_resources_are_written_as_each_platform_reads_them(snapshot):
    environments = (BUNDLE, EXPERIMENT, AGENT)

    assert {
        item.name: {"tags of an op or job": resource_tags(item), "container_context": docker_context(item)}
        for item in environments
    } == snapshot


def test_the_documentation_shows_the_numbers_of_the_table():
    said = (PROJECT_ROOT / "docs" / "dagster.md").read_text(encoding="utf-8")

    assert json.dumps(docker_context(BUNDLE), sort_keys=True) in said
    for item in (BUNDLE, EXPERIMENT, AGENT):
        assert f"| {item.name} | {item.cpu} | {item.memory_bytes // GIB} GiB |" in said
