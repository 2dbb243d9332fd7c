# docker build -t translate .            (CUDA and CPU in one image)
# docker build -t translate --build-arg TORCH_INDEX=URL .   (small: URL is PyTorch's index of CPU builds)
# docker run -p 7860:7860 [--gpus all] translate
FROM python:3.12-slim
ARG TORCH_INDEX=""
RUN useradd --create-home --uid 1000 user
WORKDIR /home/user/app
COPY requirements.txt .
RUN if [ -n "$TORCH_INDEX" ]; then \
        pip install --no-cache-dir torch torchvision --index-url "$TORCH_INDEX"; fi \
    && pip install --no-cache-dir -r requirements.txt
COPY --chown=user . .
RUN pip install --no-cache-dir --no-deps . && rm -r build *.egg-info
USER user
ENV GRADIO_SERVER_NAME=0.0.0.0 GRADIO_SERVER_PORT=7860 GRADIO_ANALYTICS_ENABLED=False
EXPOSE 7860
HEALTHCHECK --interval=30s --timeout=10s --start-period=60s \
    CMD python -c "import urllib.request as u; u.urlopen('http://127.0.0.1:7860/', timeout=5)"
CMD ["python", "app.py"]
