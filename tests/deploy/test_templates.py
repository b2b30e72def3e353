"""What is handed to the platforms: that their own tools take it, and that it says what the apps need."""

import json
import os
import re
import subprocess
import unittest

import yaml

from rig import programs

TEMPLATE = programs.LAMBDA / "template.yaml"
SERVICE = programs.CLOUDRUN / "service.yaml"
GUIDE = programs.ROOT / "docs" / "cloud-run.md"
TOOL_LIMIT_S = 180


def tool(name, *arguments):
    """Runs one of the installed tools, which must reach nobody."""
    env = {**os.environ, "SAM_CLI_TELEMETRY": "0", "AWS_EC2_METADATA_DISABLED": "true"}
    command = [programs.python_tool(name), *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=TOOL_LIMIT_S, env=env)


class Tagged(yaml.SafeLoader):
    """YAML with CloudFormation's short forms: `!Ref x` reads as {"Ref": "x"}."""


def _tagged(loader, name, node):
    if isinstance(node, yaml.ScalarNode):
        return {name: loader.construct_scalar(node)}
    if isinstance(node, yaml.SequenceNode):
        return {name: loader.construct_sequence(node, deep=True)}
    return {name: loader.construct_mapping(node, deep=True)}


Tagged.add_multi_constructor("!", _tagged)


class TheLambdaTemplate(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.template = yaml.load(TEMPLATE.read_text(), Tagged)

    def functions(self):
        resources = self.template["Resources"].items()
        return {name: value for name, value in resources if value["Type"] == "AWS::Serverless::Function"}

    def test_cfn_lint_has_nothing_to_say(self):
        done = tool("cfn-lint", "-t", TEMPLATE)
        self.assertEqual((done.returncode, done.stdout), (0, ""), done.stderr)

    def test_sam_validates_it(self):
        done = tool("sam", "validate", "--lint", "-t", TEMPLATE, "--region", "eu-west-1")
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        self.assertIn("is a valid SAM Template", done.stdout)

    def test_it_deploys_what_make_build_lambda_makes(self):
        for app in ["lessons", "views"]:
            function = self.functions()[f"{app.capitalize()}Function"]["Properties"]
            built = (TEMPLATE.parent / function["CodeUri"]).resolve()
            self.assertEqual(built.relative_to(programs.ROOT).as_posix(), f"target/deploy/lambda/{app}/bootstrap.zip")

    def test_each_function_has_alarms_and_may_read_one_parameter(self):
        alarms = [
            (value["Properties"]["MetricName"], value["Properties"]["Dimensions"][0]["Value"]["Ref"])
            for value in self.template["Resources"].values()
            if value["Type"] == "AWS::CloudWatch::Alarm"
        ]
        for name, function in self.functions().items():
            for metric in ["Errors", "Throttles", "Duration"]:
                self.assertIn((metric, name), alarms)
            [policy] = function["Properties"]["Policies"]
            self.assertEqual(list(policy), ["SSMParameterReadPolicy"])

    def test_the_extension_remembers_nothing_that_a_rotation_has_made_old(self):
        variables = self.template["Globals"]["Function"]["Environment"]["Variables"]
        self.assertEqual(variables["SSM_PARAMETER_STORE_TTL"], "0")
        self.assertIn("REDIS_URL_SSM_PARAMETER", variables)

    def test_it_knows_the_extension_in_each_region_for_both_processors(self):
        regions = self.template["Mappings"]["Extension"]
        self.assertGreater(len(regions), 30)
        for region, layer in regions.items():
            with self.subTest(region=region):
                self.assertEqual(sorted(layer), ["Account", "Arm", "X86"])
                self.assertRegex(layer["Account"], r"^\d{12}$")

    def test_it_logs_json_at_a_level_and_traces(self):
        function = self.template["Globals"]["Function"]
        self.assertEqual(function["Runtime"], "provided.al2023")
        self.assertEqual(function["Tracing"], "Active")
        self.assertEqual(function["LoggingConfig"]["LogFormat"], "JSON")
        self.assertEqual(function["LoggingConfig"]["ApplicationLogLevel"], {"Ref": "LogLevel"})
        self.assertEqual(self.template["Parameters"]["Architecture"]["AllowedValues"], ["x86_64", "arm64"])

    def test_it_holds_no_secret_and_no_url_of_a_store(self):
        self.assertNotRegex(TEMPLATE.read_text(), r"rediss?://")


class TheCloudRunService(unittest.TestCase):
    """Google offers no tool that checks such a file offline."""

    @classmethod
    def setUpClass(cls):
        cls.service = yaml.safe_load(SERVICE.read_text())
        cls.revision = cls.service["spec"]["template"]
        [cls.container] = cls.revision["spec"]["containers"]

    def test_it_is_a_service_of_one_container(self):
        self.assertEqual((self.service["apiVersion"], self.service["kind"]), ("serving.knative.dev/v1", "Service"))
        [port] = self.container["ports"]
        containerfile = (programs.CLOUDRUN / "Containerfile").read_text()
        self.assertIn(f"PORT={port['containerPort']} ", containerfile)
        self.assertIn(f"EXPOSE {port['containerPort']}\n", containerfile)

    def test_the_guides_replacement_leaves_nothing_to_fill_in(self):
        [command] = re.findall(r'^sed "(.*)" deploy/cloudrun/service.yaml', GUIDE.read_text(), re.MULTILINE)
        command = command.replace("$IMAGE", "europe-west1-docker.pkg.dev/p/tuckbox/lessons:1").replace("$PROJECT", "p")
        filled = subprocess.run(["sed", command, SERVICE], capture_output=True, text=True, check=True).stdout
        self.assertNotIn("YOUR-", filled.partition("apiVersion")[2])
        [container] = yaml.safe_load(filled)["spec"]["template"]["spec"]["containers"]
        self.assertEqual(container["image"], "europe-west1-docker.pkg.dev/p/tuckbox/lessons:1")
        self.assertIn({"name": "GOOGLE_CLOUD_PROJECT", "value": "p"}, container["env"])

    def test_annotations_are_text_and_known(self):
        known = r"^(autoscaling\.knative\.dev/(minScale|maxScale)|run\.googleapis\.com/(startup-cpu-boost|cpu-throttling"
        known += r"|sessionAffinity|execution-environment|ingress))$"
        for holder in [self.service, self.revision]:
            for name, value in holder["metadata"]["annotations"].items():
                self.assertRegex(name, known)
                self.assertIsInstance(value, str, name)

    def test_probes_ask_for_life_and_not_for_the_store(self):
        for probe in ["startupProbe", "livenessProbe"]:
            self.assertEqual(self.container[probe]["httpGet"]["path"], "/healthz")
            self.assertLessEqual(self.container[probe]["timeoutSeconds"], self.container[probe]["periodSeconds"])

    def test_the_apps_time_limit_comes_before_the_platforms(self):
        self.assertGreater(self.revision["spec"]["timeoutSeconds"], 30)

    def test_the_store_is_a_mounted_secret(self):
        env = {entry["name"]: entry.get("value") for entry in self.container["env"]}
        self.assertNotIn("REDIS_URL", env)
        [mount] = self.container["volumeMounts"]
        [volume] = self.revision["spec"]["volumes"]
        [item] = volume["secret"]["items"]
        self.assertEqual(volume["name"], mount["name"])
        self.assertEqual(env["REDIS_URL_FILE"], f"{mount['mountPath']}/{item['path']}")
        self.assertNotRegex(SERVICE.read_text(), r"rediss?://")


class TheCloudBuild(unittest.TestCase):
    def test_it_builds_the_containerfile_for_the_app_it_is_told(self):
        build = yaml.safe_load((programs.CLOUDRUN / "cloudbuild.yaml").read_text())
        arguments = build["steps"][0]["args"]
        self.assertIn("--file=deploy/cloudrun/Containerfile", arguments)
        self.assertTrue((programs.ROOT / "deploy/cloudrun/Containerfile").is_file())
        given = set(re.findall(r"\$\{(_\w+)\}", json.dumps(build["steps"])))
        self.assertEqual(given - set(build["substitutions"]), set())


if __name__ == "__main__":
    unittest.main()
