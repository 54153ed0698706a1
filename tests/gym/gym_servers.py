"""NeMo Gym's own servers in one process and one event loop: its model proxy, and per environment an agent and the tools.

Gym's launcher gives each a process, an environment of its own and a Ray cluster; the objects, the HTTP between them and the
settings are the same here.
"""
import asyncio
import contextlib
import importlib
import socket

import uvicorn
from nemo_gym.server_utils import BaseServerConfig, ServerClient
from omegaconf import OmegaConf
from responses_api_agents.simple_agent.app import SimpleAgent, SimpleAgentConfig
from responses_api_models.vllm_model.app import VLLMModel, VLLMModelConfig

MAX_STEPS = 6   # of a rollout: a model that calls tools for ever is stopped
ENVIRONMENTS = {"example_single_tool_call": "SimpleWeather", "example_multi_step": "ExampleMultiStep"}


BUNDLE = ("prompt_token_ids", "generation_token_ids", "generation_log_probs")


class ScriptedModel(VLLMModel):
    """Gym's model server, and the hook that it leaves to derived ones: adds the ids that the engine is to answer with.

    A row names its script in `metadata`, which Gym passes on; the turn is told by how often the assistant has spoken.
    A forgetful one keeps from the engine which ids earlier turns were made of, as a client of a chat API does.
    """
    scripts: dict = {}
    forgetful: bool = False

    def _preprocess_chat_completion_create_params(self, request, body_dict):
        body = super()._preprocess_chat_completion_create_params(request, body_dict)
        if self.forgetful:
            body["messages"] = [{k: v for k, v in message.items() if k not in BUNDLE} for message in body["messages"]]
        turns = self.scripts.get((body.get("metadata") or {}).get("script"))
        if turns is None:
            return body
        turn = sum(message["role"] == "assistant" for message in body["messages"])
        return body | {"forced_token_ids": turns[turn]}


def model_config(base_url, model, **place):
    """As in Gym's own vllm_model_for_training.yaml; the weather rows need `developer` to be `system` for most templates."""
    return VLLMModelConfig(base_url=base_url, api_key="dummy_key", model=model, return_token_id_information=True, uses_reasoning_parser=True,
                           replace_developer_role_with_system=True, **place)


def listen():
    s = socket.socket()
    s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    s.bind(("127.0.0.1", 0))
    return s


@contextlib.asynccontextmanager
async def gym(base_url, model, scripts, forgetful=False):
    """Gives Gym's ServerClient: post(server_name="example_multi_step_agent", url_path="/run", json=row)."""
    kinds = {"policy_model": "responses_api_models"}
    for name in ENVIRONMENTS:
        kinds |= {name: "resources_servers", name + "_agent": "responses_api_agents"}
    sockets = {name: listen() for name in kinds}
    places = {name: {"host": "127.0.0.1", "port": s.getsockname()[1], "entrypoint": "app.py", "name": name} for name, s in sockets.items()}
    client = ServerClient(head_server_config=BaseServerConfig(host="127.0.0.1", port=1),
                          global_config_dict=OmegaConf.create({name: {kind: {name: places[name]}} for name, kind in kinds.items()}))
    servers = {"policy_model": ScriptedModel(config=model_config(base_url, model, **places["policy_model"]), server_client=client,
                                             scripts=scripts, forgetful=forgetful)}
    for name, title in ENVIRONMENTS.items():
        app = importlib.import_module(f"resources_servers.{name}.app")
        config = getattr(app, title + "ResourcesServerConfig")(domain="agent", **places[name])
        servers[name] = getattr(app, title + "ResourcesServer")(config=config, server_client=client)
        servers[name + "_agent"] = SimpleAgent(server_client=client, config=SimpleAgentConfig(
            resources_server={"type": "resources_servers", "name": name}, model_server={"type": "responses_api_models", "name": "policy_model"},
            max_steps=MAX_STEPS, **places[name + "_agent"]))
    running = []
    for name, server in servers.items():
        app = server.setup_webserver()
        server.setup_exception_middleware(app)
        web = uvicorn.Server(uvicorn.Config(app, log_level="warning", timeout_keep_alive=30))
        running.append((web, asyncio.create_task(web.serve(sockets=[sockets[name]]))))
    try:
        yield client
    finally:
        for web, _ in running:
            web.should_exit = True
        await asyncio.gather(*(task for _, task in running))
