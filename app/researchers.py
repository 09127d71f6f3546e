"""stub while feedback is written"""

import gradio as gr
from fastapi import APIRouter


class ResearchersPage:
    def __init__(self, runtime):
        with gr.Blocks() as self.blocks:
            gr.HTML("x")


def export_routes(runtime):
    return APIRouter()
