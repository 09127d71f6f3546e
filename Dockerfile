# The app without PyTorch: GGUF files and servers with OpenAI's interface answer. Votes, logs and checkpoints are in /data.
#   docker build --tag diptych --build-arg COMMIT=$(git rev-parse --short=12 HEAD) .
#   docker run --publish 127.0.0.1:7860:7860 --env DIPTYCH_ADMIN_PASSWORD --volume diptych:/data \
#       --volume ./checkpoints:/models:ro diptych app --model1 /models/art_ai_model --model2 /models/model2_pretrained
FROM python:3.11-slim-bookworm AS build
WORKDIR /src
RUN python -m venv /opt/diptych
COPY pyproject.toml setup.py diptych.py constraints.txt README.md LICENSE ./
COPY app app
COPY feedback feedback
COPY training training
ARG COMMIT=""
# What packages bring to test themselves is a sixth of it all.
RUN DIPTYCH_COMMIT="$COMMIT" /opt/diptych/bin/python -m pip install --no-cache-dir -c constraints.txt ".[app]" \
    && find /opt/diptych -type d -name tests -prune -exec rm -r {} +

FROM python:3.11-slim-bookworm
# libgomp1 is what llama.cpp counts with, and not in the slim image.
# hadolint ignore=DL3008
RUN apt-get update && apt-get install --yes --no-install-recommends libgomp1 && rm -r /var/lib/apt/lists/* \
    && useradd --uid 10001 --create-home diptych && install --directory --owner=diptych /data
COPY --from=build /opt/diptych /opt/diptych
ENV PATH=/opt/diptych/bin:$PATH GRADIO_SERVER_NAME=0.0.0.0 PYTHONUNBUFFERED=1
USER 10001
WORKDIR /data
VOLUME ["/data"]
EXPOSE 7860
HEALTHCHECK --interval=30s --timeout=10s --start-period=120s --retries=3 \
    CMD ["python", "-c", "import urllib.request as http; http.urlopen('http://127.0.0.1:7860/healthz', timeout=8)"]
ENTRYPOINT ["diptych"]
CMD ["app"]
